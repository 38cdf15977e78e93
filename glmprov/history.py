"""The journal of changes that a host carries: who changed what, when, and what came of it. Pure.

One line of JSON an entry. A change writes one entry when it begins and one when it is done, so a run whose
controller died leaves the first without the second.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from glmprov.made_once import made_once

HISTORY_PATH = "/var/lib/glmprov/history.jsonl"
HISTORY_VERSION = 1
HISTORY_LIMIT_BYTES = 1 << 20
"""The journal's size; beyond it the older half goes. Some fifty whole provisionings, or years of small repairs."""


class Event(StrEnum):
    """Which end of a change an entry is."""

    BEGUN = "begun"
    DONE = "done"


@dataclass(frozen=True)
class Change:
    """One key: before → after, and its result (FIXED, FAILED, …; empty while it is only planned)."""

    key: str
    before: Any
    after: Any
    result: str = ""


@dataclass(frozen=True)
class Entry:
    """One line of the journal. Values are in JSON's terms; nothing in it is secret.

    run joins the two ends of a change. command is what was done: provision, revert, reboot, lock release.
    owner is user@controller with its process; plan the id of a saved plan; error why it stopped.
    """

    at: str
    run: str
    event: Event
    command: str
    owner: str
    glmprov_version: str
    reason: str = ""
    plan: str = ""
    changes: tuple[Change, ...] = ()
    rebooted: bool = False
    seconds: float = 0.0
    error: str = ""
    version: int = HISTORY_VERSION


class End(StrEnum):
    """How far a change came."""

    DONE = "done"
    STOPPED = "stopped at an error"
    UNDER_WAY = "under way"
    NEVER_FINISHED = "never finished"


@dataclass(frozen=True)
class Act:
    """A change with both its ends: when it began, how it ended, and its last entry."""

    since: str
    end: End
    entry: Entry


@dataclass(frozen=True)
class History:
    """A host's journal. unread counts lines that can't be read: cut off by a crash, or of a newer version."""

    entries: tuple[Entry, ...] = ()
    unread: int = 0


@dataclass(frozen=True)
class Wanted:
    """Which changes to show: those since a moment, and at most so many, the newest."""

    since: datetime | None = None
    limit: int | None = None


@made_once()
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(Entry)


def to_line(entry: Entry) -> str:
    """Return the entry as its line of the journal."""
    text: bytes = _adapter().dump_json(entry)
    return text.decode() + "\n"


def from_text(text: str) -> History:
    """Given the journal's text, return its entries in order. A line that can't be read is counted, not an error."""
    entries: list[Entry] = []
    unread = 0
    for line in filter(str.strip, text.split("\n")):
        try:
            entry = _adapter().validate_json(line)
        except ValueError:
            unread += 1
            continue
        if entry.version > HISTORY_VERSION:
            unread += 1
        else:
            entries.append(entry)
    return History(tuple(entries), unread)


def acts(entries: Iterable[Entry], at_work: str | None = None) -> tuple[Act, ...]:
    """Join the two ends of each change, in the order in which they began. at_work is who holds the host's lock."""
    found: list[Act] = []
    begun: dict[tuple[str, str], int] = {}
    for entry in entries:
        key = (entry.run, entry.command)
        if entry.event is Event.BEGUN:
            end = End.UNDER_WAY if at_work == entry.owner else End.NEVER_FINISHED
            if key in begun:  # what a run saw only on its way
                first = found[begun[key]]
                more = replace(first.entry, changes=(*first.entry.changes, *entry.changes))
                found[begun[key]] = replace(first, entry=more)
            else:
                begun[key] = len(found)
                found.append(Act(entry.at, end, entry))
            continue
        end = End.STOPPED if entry.error else End.DONE
        at = begun.pop(key, None)
        if at is None:
            found.append(Act(entry.at, end, entry))
        else:
            found[at] = Act(found[at].since, end, entry)
    return tuple(found)


def select(found: Sequence[Act], wanted: Wanted) -> tuple[Act, ...]:
    """Return the changes that are wanted, the newest last."""
    since = wanted.since
    recent = [act for act in found if since is None or datetime.fromisoformat(act.since) >= since]
    return tuple(recent[-wanted.limit :] if wanted.limit is not None else recent)


def moment(text: str, now: datetime) -> datetime:
    """Given "7d", "12h", "30min", "2w" or an ISO date, return the moment meant. Raise ValueError if it is neither."""
    match = re.fullmatch(r"(\d+)\s*(min|h|d|w)", text.strip())
    if match:
        unit = {"min": "minutes", "h": "hours", "d": "days", "w": "weeks"}[match[2]]
        try:
            return now - timedelta(**{unit: int(match[1])})
        except OverflowError:
            return datetime.min.replace(tzinfo=UTC)
    named = datetime.fromisoformat(text.strip())
    return named if named.tzinfo else named.replace(tzinfo=UTC)
