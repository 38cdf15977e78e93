"""What the engine's own parser says of the arguments, each kind of fault a rule."""

from __future__ import annotations

from collections.abc import Iterator

from glmprov.engines.faults import Fault, Kind
from glmprov.lint.finding import Answer
from glmprov.lint.situation import Situation, only_for
from glmprov.recipe import words

VALUES = (Kind.MISSING_VALUE, Kind.UNEXPECTED_VALUE, Kind.BAD_TYPE, Kind.BAD_CHOICE)


def flag_unknown(situation: Situation) -> Iterator[Answer]:
    """This release has no such flag, or no longer takes it."""
    yield from _said(situation, Kind.UNKNOWN)
    yield from _said(situation, Kind.DEPRECATED, refuses=True)


def flag_ambiguous(situation: Situation) -> Iterator[Answer]:
    """A beginning that stands for several flags."""
    yield from _said(situation, Kind.AMBIGUOUS)


def flag_value(situation: Situation) -> Iterator[Answer]:
    """A value that the parser refuses."""
    yield from _said(situation, *VALUES, refuses=True)


def flag_value_later(situation: Situation) -> Iterator[Answer]:
    """A value that the parser lets through."""
    yield from _said(situation, *VALUES, refuses=False)


def flag_required(situation: Situation) -> Iterator[Answer]:
    """A flag without which it doesn't start."""
    yield from _said(situation, Kind.REQUIRED)


def flag_deprecated(situation: Situation) -> Iterator[Answer]:
    """A flag that will be gone."""
    yield from _said(situation, Kind.DEPRECATED, refuses=False)


def flag_without_effect(situation: Situation) -> Iterator[Answer]:
    """A flag that a later one overrides, or that this command doesn't look at."""
    yield from _said(situation, Kind.OVERRIDDEN, Kind.IGNORED)


def flag_abbreviated(situation: Situation) -> Iterator[Answer]:
    """A beginning that stands for one flag, so far."""
    yield from _said(situation, Kind.ABBREVIATED)


def _said(situation: Situation, *kinds: Kind, refuses: bool | None = None) -> Iterator[Answer]:
    """Answer for each place of such a fault; where nobody knows the release, yes only if every release says so."""
    met: dict[str, dict[str, Fault]] = {}
    for release, faults in situation.parser_faults.items():
        for fault in faults:
            if fault.kind in kinds and refuses in (None, fault.refuses):
                met.setdefault(_place(situation, fault), {})[release] = fault
    for place, by_release in met.items():
        if len(by_release) < len(situation.parser_faults):
            yield only_for(situation, by_release, place)
            continue
        fault = list(by_release.values())[-1]
        hint = f"; did you mean {fault.nearest}?" if fault.nearest else ""
        yield Answer(True, place=place, values={"said": fault.sentence, "hint": hint})


def _place(situation: Situation, fault: Fault) -> str:
    """Return the argument that stands at the fault's place."""
    at = 0
    for name, value in situation.launch.arguments.items():
        at += len(words({name: value}, repeat=False))
        if fault.index is not None and fault.index < at:
            return f"arguments.{name}" if name else "arguments.model"
    return ""
