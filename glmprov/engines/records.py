"""What is known of one flag and of one environment variable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag as the engine's parser has it.

    nargs is argparse's: None takes one value, 0 none, "?", "*", "+" or a number several. choices are the values known
    to be understood; checked says that the parser itself refuses others, open that plug-ins may add some. optional: ""
    and "None" stand for no value. default is text, None where the parser sets none. instead names what a deprecated
    flag stands for; until is the release that was to remove it; refused: the flag is still named, and ends the launch.
    """

    names: tuple[str, ...]
    destination: str
    type: str = "str"
    nargs: int | str | None = None
    choices: tuple[str, ...] | None = None
    checked: bool = True
    open: bool = False
    optional: bool = False
    default: str | None = None
    negatives: tuple[str, ...] = ()
    deprecated: bool = False
    instead: str | None = None
    until: str | None = None
    refused: bool = False
    required: bool = False
    appends: bool = False

    @property
    def name(self) -> str:
        """Return the full name, the one that a rendered command should have."""
        return next((name for name in self.names if name.startswith("--")), self.names[0])

    @property
    def takes_value(self) -> bool:
        """Say whether a value follows."""
        return self.nargs != 0

    @property
    def spellings(self) -> tuple[str, ...]:
        """Return every option string in the parser's order."""
        return spellings(self.names, self.negatives)

    @property
    def label(self) -> str:
        """Return how argparse names the flag in a message. vLLM hides --no-enable-x where it has --disable-x."""
        inverses = tuple(negative for negative in self.negatives if not negative.startswith("--no-"))
        return "/".join((*self.names, *inverses) if inverses else self.spellings)


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable that the engine reads; default as text, None where it isn't known."""

    name: str
    default: str | None = None
    deprecated: bool = False
    instead: str | None = None


@dataclass(frozen=True, slots=True)
class SetByEngine:
    """A variable that the engine itself puts into its environment.

    when: "always" whatever the operator set; "unset" only where it isn't set; "sometimes" under the condition, which is
    the engine's own source. computed: value is source, too.
    """

    name: str
    value: str
    when: Literal["always", "unset", "sometimes"]
    computed: bool = False
    condition: str | None = None


def spellings(names: Sequence[str], negatives: Sequence[str]) -> tuple[str, ...]:
    """Return a flag's option strings in the parser's order: argparse puts --no-x beside --x."""
    if not negatives:
        return tuple(names)
    beside = [s for name in names for s in (name, f"--no-{name[2:]}") if s == name or s in negatives]
    return (*beside, *(negative for negative in negatives if negative not in beside))
