"""Reads an argument list as the engine's own parser reads it, and says all that is wrong with it at once.

The rules are argparse's, which both engines use, and vLLM's additions (`tokens.py`): a unique beginning of a flag's
name stands for it, several that begin so end the launch, the last of several values wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from glmprov.engines.faults import Fault, Given, Kind, Parsed
from glmprov.engines.flags import Catalogue, Flag
from glmprov.engines.tokens import HELP, MODEL_FLAG, Option, Token, option, tokens
from glmprov.engines.values import counts, fault_of, wanted
from glmprov.engines.winning import in_order, last_wins, overridden

COMMANDS = {"vllm": "vllm serve", "sglang": "python -m sglang.launch_server"}


def parse(catalogue: Catalogue, argv: Sequence[str], *, command: str | None = None) -> Parsed:
    """Return what the engine makes of the arguments that follow its command ("vllm serve", "sglang serve", …)."""
    return _Reading(catalogue, argv, command or COMMANDS[catalogue.engine]).parsed()


class _Reading:
    def __init__(self, catalogue: Catalogue, argv: Sequence[str], command: str) -> None:
        self.catalogue = catalogue
        self.argv = argv
        self.command = command
        self.positional = catalogue.engine == "vllm" and catalogue.takes_model(command)
        self.tokens = tokens(catalogue, argv, command)
        # Behind the first "--" nothing is a flag.
        self.end = next((i for i, token in enumerate(self.tokens) if token.text == "--"), len(self.tokens))
        self.options = [
            option(catalogue, token.text) if place < self.end else None
            for place, token in enumerate(self.tokens)
        ]
        self.given: list[Given] = []
        self.faults: list[Fault] = []
        self.positionals: list[Token] = []

    def parsed(self) -> Parsed:
        place = 0
        while place < len(self.tokens):
            found = self.options[place]
            place = self._value(place) if found is None else self._option(place, found)
        self._look_for_required()
        given = last_wins(self.given)
        model = self._model(given)
        faults = in_order([*self.faults, *overridden(given)])
        return Parsed(self.catalogue, given, tuple(faults), model)

    def _model(self, given: tuple[Given, ...]) -> str | None:
        """Return the model that is served, and say where one that is given is not."""
        named = next(
            (g.values[0] for g in given if g.wins and g.flag.destination in ("model", "model_path")), None
        )
        if not self.positionals or self.catalogue.engine != "vllm":
            return named
        token = self.positionals[0]
        if self.command == "vllm serve":
            self._say_where_the_model_belongs()
            return token.text
        text = f"{token.text} has no effect: this command serves what --model names"
        self._fault(Kind.IGNORED, text, token, refuses=False)
        return named

    def _say_where_the_model_belongs(self) -> None:
        for index, text in enumerate(self.argv):
            if MODEL_FLAG.fullmatch(text):
                said = "vllm serve takes the model without --model, which it warns of and will drop"
                self.faults.append(Fault(Kind.DEPRECATED, said, index, text))

    def _value(self, place: int) -> int:
        """Take a value that no flag asked for: the model, or one too many."""
        token = self.tokens[place]
        free = self.positional and not self.positionals
        beside_model = self.positionals and self.positionals[0] is self.tokens[place - 1]
        if place == self.end and (free or beside_model):
            return place + 1
        if free:
            self.positionals.append(token)
        elif self.faults and self.faults[-1].kind is Kind.UNKNOWN:
            # argparse has one sentence for all of them: an unknown flag and the value behind it, say.
            self.faults[-1] = replace(self.faults[-1], sentence=f"{self.faults[-1].sentence} {token.typed}")
        else:
            self._fault(Kind.UNKNOWN, f"unrecognized arguments: {token.typed}", token)
        return place + 1

    def _option(self, place: int, found: Option) -> int:
        token = self.tokens[place]
        own = self.catalogue.own_flags(self.command)
        if token.text.partition("=")[0] in own:
            return place + (1 if "=" in token.text else 2)
        if not found.matches:
            self._unknown(token)
            return place + 1
        if len(found.matches) > 1:
            could = ", ".join(found.matches)
            self._fault(Kind.AMBIGUOUS, f"ambiguous option: {token.text} could match {could}", token)
            return self._after_ambiguous(place, found)
        if found.matches[0] in HELP:
            if found.explicit:
                text = f"argument -h/--help: ignored explicit argument {found.explicit!r}"
                self._fault(Kind.UNEXPECTED_VALUE, text, token)
            return place + 1
        return self._take(place, found)

    def _after_ambiguous(self, place: int, found: Option) -> int:
        flags = [self.catalogue.flag(match) for match in found.matches]
        takes = any(flag and flag.takes_value for flag in flags) and found.explicit is None
        follows = place + 1 < len(self.tokens) and self.options[place + 1] is None
        return place + (2 if takes and follows else 1)

    def _take(self, place: int, found: Option) -> int:
        """Take a flag with its values."""
        token, name = self.tokens[place], found.matches[0]
        flag = self.catalogue.flag(name)
        assert flag is not None  # noqa: S101  (matches are the catalogue's own spellings)
        self._say_how_it_was_written(token, name, flag)
        values, after = self._values_of(place, found, flag)
        if values is None:
            return after
        for value in values:
            if bad := fault_of(flag, value):
                refuses = bad[0] is Kind.BAD_TYPE or flag.checked
                self._fault(
                    bad[0],
                    bad[1],
                    token,
                    flag=flag,
                    refuses=refuses,
                    nearest=_nearest(value, flag.choices or ()),
                )
        self.given.append(Given(flag, name, token.typed, values, token.index, negated=name in flag.negatives))
        return after

    def _values_of(self, place: int, found: Option, flag: Flag) -> tuple[tuple[str, ...] | None, int]:
        """Return the values of a flag, None where they are missing or too many, and the place after them."""
        token, nargs = self.tokens[place], flag.nargs
        if found.explicit is not None:
            if nargs == 0:
                text = f"argument {flag.label}: ignored explicit argument {found.explicit!r}"
                self._fault(Kind.UNEXPECTED_VALUE, text, token, flag=flag)
                return None, place + 1
            if isinstance(nargs, int) and nargs > 1:
                self._missing(token, flag)
                return None, place + 1
            return (found.explicit,), place + 1
        least, most = counts(flag, len(self.tokens))
        stop = place + 1
        while stop < len(self.tokens) and stop - place <= most and self._is_value(stop):
            stop += 1
        values = tuple(t.text for t in self.tokens[place + 1 : stop])
        if len(values) < least:
            self._missing(token, flag)
            return None, stop
        return values, stop

    def _is_value(self, place: int) -> bool:
        return self.options[place] is None and place != self.end

    def _missing(self, token: Token, flag: Flag) -> None:
        self._fault(Kind.MISSING_VALUE, f"argument {flag.label}: expected {wanted(flag)}", token, flag=flag)

    def _say_how_it_was_written(self, token: Token, name: str, flag: Flag) -> None:
        typed = token.text.partition("=")[0]
        if typed != name and name.startswith(typed) and name.startswith("--"):
            text = f"{typed} is taken for {name} only as long as no other flag begins so"
            self._fault(Kind.ABBREVIATED, text, token, flag=flag, refuses=False, nearest=name)
        if flag.deprecated:
            text = f"{name} is deprecated" + (f"; use {flag.instead}" if flag.instead else "")
            self._fault(Kind.DEPRECATED, text, token, flag=flag, refuses=flag.refused, nearest=flag.instead)

    def _unknown(self, token: Token) -> None:
        name = token.text.partition("=")[0]
        nearest = _nearest(name, tuple(self.catalogue.spellings))
        self._fault(Kind.UNKNOWN, f"unrecognized arguments: {token.text}", token, nearest=nearest)

    def _look_for_required(self) -> None:
        given = {each.flag.destination for each in self.given}
        missing = [flag for flag in self.catalogue.required if flag.destination not in given]
        if missing and "config" not in given:
            text = f"the following arguments are required: {', '.join(flag.label for flag in missing)}"
            self.faults.append(Fault(Kind.REQUIRED, text, None, refuses=True, flag=missing[0]))

    def _fault(
        self,
        kind: Kind,
        sentence: str,
        token: Token,
        *,
        flag: Flag | None = None,
        refuses: bool = True,
        nearest: str | None = None,
    ) -> None:
        self.faults.append(Fault(kind, sentence, token.index, token.typed, refuses, flag, nearest))


def _nearest(name: str, known: Sequence[str]) -> str | None:
    import difflib  # only needed where something is wrong

    found = difflib.get_close_matches(name, known, n=1)
    return found[0] if found else None
