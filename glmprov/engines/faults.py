"""What came of reading an argument list: what was given, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from glmprov.engines.flags import Catalogue, Flag


class Kind(Enum):
    """What is wrong with an argument, or only unwise."""

    UNKNOWN = "unknown"
    AMBIGUOUS = "ambiguous"
    MISSING_VALUE = "missing value"
    UNEXPECTED_VALUE = "unexpected value"
    BAD_CHOICE = "bad choice"
    BAD_TYPE = "bad type"
    REQUIRED = "required"
    DEPRECATED = "deprecated"
    OVERRIDDEN = "overridden"
    IGNORED = "ignored"
    ABBREVIATED = "abbreviated"


@dataclass(frozen=True)
class Fault:
    """One thing to say about an argument.

    sentence is the engine's own where it refuses to start (exit code 2), else ours. index is the place in the argument
    list, None where nothing is there. nearest is the flag that was probably meant.
    """

    kind: Kind
    sentence: str
    index: int | None
    typed: str = ""
    refuses: bool = False
    flag: Flag | None = None
    nearest: str | None = None


@dataclass(frozen=True)
class Given:
    """A flag as it was given.

    name is the full option string that it was taken for, typed the one that was written. wins: no later argument writes
    the same destination. negated: --no-x.
    """

    flag: Flag
    name: str
    typed: str
    values: tuple[str, ...]
    index: int
    negated: bool = False
    wins: bool = True

    @property
    def value(self) -> str | bool | tuple[str, ...]:
        """Return the value: a truth value for a flag that takes none, several for one that takes several."""
        if self.flag.nargs == 0:
            return not self.negated
        if self.flag.nargs in (None, "?") and len(self.values) == 1:
            return self.values[0]
        return self.values


@dataclass(frozen=True)
class Parsed:
    """An argument list as the engine's parser reads it. model is the one that it serves; None: none is given."""

    catalogue: Catalogue = field(repr=False)
    given: tuple[Given, ...]
    faults: tuple[Fault, ...]
    model: str | None = None

    @property
    def refused(self) -> tuple[Fault, ...]:
        """Return the faults with any of which the engine refuses to start."""
        return tuple(fault for fault in self.faults if fault.refuses)

    def of(self, name: str) -> Given | None:
        """Return what is in force for a flag, by a full spelling or its destination; None: not given, or no such flag.

        What a deprecated flag of the same destination says counts, too.
        """
        flag = self.catalogue.flag(name)
        wanted = flag.destination if flag else name
        return next(
            (given for given in reversed(self.given) if given.wins and given.flag.destination == wanted), None
        )

    def value_of(self, name: str) -> str | bool | tuple[str, ...] | None:
        """Return the value in force for a flag, by full name or destination; None: not given."""
        found = self.of(name)
        return None if found is None else found.value
