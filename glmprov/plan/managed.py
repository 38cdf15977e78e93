"""What a plan becomes where the inventory lets us only report, or not even look. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from glmprov.plan.situation import Part
from glmprov.state import SECTIONS, HostState, Manage, Modes, as_found

_COMES_WITH = {"gpu_driver": "gpu_driver.version", "container_engine": "container_engine.package"}
"""The key whose leaving alone takes away what a section's faults are about: that it can't be installed."""

_TOGETHER_FROM = 3

_UNDOABLE = {
    "gpu_driver": "the driver is left alone, and it isn't one that we installed",
    "container_engine": "the engine is left alone, and there is none",
}


def part(section: str, built: Part[Any], modes: Modes) -> Part[Any]:
    """Return a section's part as its modes leave it: nothing of one that is ignored.

    What can't be installed is a note where it isn't to be. An order that no card can take is a fault even where
    limits are only reported: no host could ever be as the inventory says.
    """
    if modes.anywhere(section) == {Manage.IGNORE}:
        return Part(None)
    faults, notes = [], list(built.notes)
    for fault in built.faults:
        mode = modes.of(_key(section, fault))
        if mode is Manage.ENFORCE or (mode is Manage.AUDIT and section == "gpu_power"):
            faults.append(fault)
        elif mode is Manage.AUDIT:
            notes.append(f"{fault} ({section}_manage: only reported)")
    return replace(built, faults=tuple(faults), notes=tuple(notes))


def _key(section: str, fault: str) -> str:
    """Return the key that a fault is about; a fault of a card begins with its UUID."""
    card = fault.partition(": ")[0]
    if section == "gpu_power" and card.startswith("GPU-"):
        return f"gpu_power.limit_watts[{card}]"
    return _COMES_WITH.get(section, section)


def together(faults: Sequence[str]) -> Iterator[str]:
    """Yield the faults, one of three cards or more once."""
    texts = Counter(_of_a_card(fault) for fault in faults)
    for fault in faults:
        text = _of_a_card(fault)
        if text is None or texts[text] < _TOGETHER_FROM:
            yield fault
    yield from (f"{count} cards: {text}" for text, count in texts.items() if text and count >= _TOGETHER_FROM)


def _of_a_card(fault: str) -> str | None:
    """Return what a fault says of a card, None if it is about something else."""
    card, _, text = fault.partition(": ")
    return text if card.startswith("GPU-") else None


def doable(expected: HostState, observed: HostState, applied: HostState, modes: Modes) -> Modes:
    """Return the modes, with sections that can't be applied without what is left alone in them only reported."""
    given = as_found(expected, observed, modes.left, applied)
    for section in _UNDOABLE:
        wanted = getattr(expected, section) is not None and getattr(given, section) is None
        if wanted and Manage.ENFORCE in modes.anywhere(section):
            modes = modes.reporting(section)
    return modes


def notes(expected: HostState, asked: Modes, modes: Modes) -> Iterator[str]:
    """Yield what a person should know: what can't be enforced as asked, and words for items that aren't there."""
    for section, why in _UNDOABLE.items():
        if asked.anywhere(section) != modes.anywhere(section):
            yield f"{section} is only reported: {why}"
    for key in asked.words:
        name, bracket, item = key.removesuffix("]").partition("[")
        section, _, field = name.partition(".")
        values = getattr(getattr(expected, section), field, None) if bracket else None
        if isinstance(values, Mapping) and item not in values:
            there = ", ".join(values) or "none"
            yield f"{section}_manage: there is no {field}[{item}] to manage; there are {there}"


def enforces_something(modes: Modes) -> bool:
    """Say whether anything may be changed on the host at all."""
    return any(Manage.ENFORCE in modes.anywhere(section) for section in SECTIONS)
