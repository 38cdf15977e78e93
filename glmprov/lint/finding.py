"""What the lint says, and the three answers that a rule can give. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Level = Literal["refuse", "warn", "note", "unknown"]

LEVELS: tuple[Level, ...] = ("refuse", "warn", "unknown", "note")
"""In the order in which they are shown. refuse: it can't work, or not as meant. unknown: the rule may hold or not."""


@dataclass(frozen=True)
class Side:
    """One side of a contested rule: what somebody says or measured, on what, and when."""

    says: str
    author: str
    date: str
    hardware: str
    source: str
    value: float | None = None
    unit: str = ""


@dataclass(frozen=True)
class Finding:
    """A rule that holds for a launch, or may. place is where to look: "arguments.kv-cache-dtype"."""

    rule: str
    level: Level
    sentence: str
    place: str = ""
    why: str = ""
    fix: str = ""
    source: str = ""
    sides: tuple[Side, ...] = ()


@dataclass(frozen=True)
class Answer:
    """Whether something holds. None: it can't be known, for the reason. values go into the rule's sentence."""

    holds: bool | None
    reason: str = ""
    place: str = ""
    values: Mapping[str, object] = field(default_factory=dict)


YES = Answer(True)
NO = Answer(False)


def unknown(reason: str, place: str = "") -> Answer:
    """Return that it can't be known, and why."""
    return Answer(None, reason, place)


def answer(holds: bool) -> Answer:
    """Return a plain yes or no."""
    return YES if holds else NO


def all_of(answers: Iterable[Answer]) -> Answer:
    """Return yes if every answer is. One no decides; answers after it aren't asked for."""
    reason = ""
    for each in answers:
        if each.holds is False:
            return NO
        reason = reason or ("" if each.holds else each.reason)
    return unknown(reason) if reason else YES


def any_of(answers: Iterable[Answer]) -> Answer:
    """Return yes if an answer is. One yes decides; answers after it aren't asked for."""
    reason = ""
    for each in answers:
        if each.holds:
            return YES
        reason = reason or each.reason
    return unknown(reason) if reason else NO


def opposite(given: Answer) -> Answer:
    """Return yes for no, no for yes, and what can't be known as it is."""
    return given if given.holds is None else answer(not given.holds)
