"""Arguments as the engine's parser gets them: what vLLM rewrites first, and which of them are flags."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

from glmprov.engines.flags import Catalogue

NEGATIVE_NUMBER = re.compile(r"-\d+|-\d*\.\d+")
MODEL_FLAG = re.compile(r"--model(=.+)?")
HELP = ("-h", "--help")


@dataclass(frozen=True)
class Token:
    """One argument: text as the parser sees it, typed as it was written at index."""

    text: str
    typed: str
    index: int


@dataclass(frozen=True)
class Option:
    """A token that is a flag: matches are the option strings it may stand for, explicit is what follows "="."""

    matches: tuple[str, ...]
    explicit: str | None = None


def tokens(catalogue: Catalogue, argv: Sequence[str], command: str) -> list[Token]:
    """Return the arguments as the parser sees them."""
    found = [Token(text, text, index) for index, text in enumerate(argv)]
    if catalogue.engine == "vllm":
        if command == "vllm serve":
            found = _model_first(found)
        return _dotted(_rewritten(catalogue, found))
    if catalogue.takes_model(command) and found and not found[0].text.startswith("-"):
        return [Token("--model-path", found[0].typed, 0), *found]
    return found


def option(catalogue: Catalogue, text: str) -> Option | None:
    """Return which flag a token stands for; None: it is a value. No matches: it looks like a flag and is none.

    These are argparse's rules: a full option string first, also before "=", then every option string that begins so, a
    one-letter flag with its value behind it, and last negative numbers and words with blanks, which are values.
    """
    spellings = catalogue.spellings
    if not text.startswith("-") or text == "-":
        return None
    if text in spellings or text in HELP:
        return Option((text,))
    before, equals, after = text.partition("=")
    if equals and before in spellings:
        return Option((before,), after)
    matches = _beginning_with(before, (*HELP, *spellings))
    if not text.startswith("--") and (text[:2] in spellings or text[:2] in HELP):
        return Option((text[:2], *matches), text[2:])
    if matches:
        return Option(matches, after if equals else None)
    if NEGATIVE_NUMBER.fullmatch(text) or " " in text:
        return None
    return Option(())


def _beginning_with(text: str, known: Iterable[str]) -> tuple[str, ...]:
    return tuple(spelling for spelling in known if spelling.startswith(text))


def _model_first(found: list[Token]) -> list[Token]:
    """Put what --model names to the front, where `vllm serve` wants it."""
    place = next((i for i, token in enumerate(found) if MODEL_FLAG.fullmatch(token.text)), None)
    if place is None:
        return found
    token = found[place]
    if token.text != "--model":
        model = replace(token, text=token.text.removeprefix("--model="))
        return [model, *found[:place], *found[place + 1 :]]
    if place + 1 == len(found):
        return found
    return [found[place + 1], *found[:place], *found[place + 2 :]]


def _rewritten(catalogue: Catalogue, found: list[Token]) -> list[Token]:
    """Return the tokens with dashes for underscores in the flags' names, and -O3 written out."""
    result: list[Token] = []
    for token, after in zip_longest(found, found[1:]):
        text = token.text
        if text.startswith("--"):
            name, equals, value = text.partition("=")
            head, dot, keys = name.partition(".")
            result.append(replace(token, text=head.replace("_", "-") + dot + keys + equals + value))
        elif text == "-O" and after and after.text in ("0", "1", "2", "3") and catalogue.optimization:
            result.append(replace(token, text=catalogue.optimization))
        elif text.startswith("-O") and text[2:3] not in ("", ".") and catalogue.optimization:
            level = text[3:] if text[2] == "=" else text[2:]
            result += [replace(token, text=catalogue.optimization), replace(token, text=level)]
        else:
            result.append(token)
    return result


def _dotted(found: list[Token]) -> list[Token]:
    """Turn --config.key value into --config '{"key": value}', one for each flag, at the end, as vLLM does."""
    kept: list[Token] = []
    documents: dict[str, tuple[Token, dict[str, Any]]] = {}
    rest = iter(found)
    for token in rest:
        name, equals, value = token.text.partition("=")
        if not name.startswith("-") or "." not in name:
            kept.append(token)
            continue
        if not equals:
            following = next(rest, None)
            if following is None:  # vLLM ends in an IndexError; a missing value is what is wrong
                kept.append(replace(token, text=name.partition(".")[0]))
                continue
            value = following.text
        flag, *keys = name.removesuffix("+").split(".")
        document = documents.setdefault(flag, (token, {}))[1]
        _put(document, keys, value.split(",") if name.endswith("+") else _read(value))
    for flag, (token, document) in documents.items():
        kept += [replace(token, text=flag), replace(token, text=json.dumps(document))]
    return kept


def _put(document: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        inner = document.get(key)
        document[key] = inner if isinstance(inner, dict) else {}
        document = document[key]
    document[keys[-1]] = value


def _read(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value
