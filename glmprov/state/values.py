"""What a value may be besides itself: not readable, not known yet, in two places, a unit; and how it reads as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any


@dataclass(frozen=True)
class Unknown:
    """What could not be read, and why."""

    reason: str


@dataclass(frozen=True)
class Later:
    """What can't be known yet, and what it waits for ("known after the driver is installed")."""

    reason: str


@dataclass(frozen=True)
class Dropped:
    """Expected: not there. We set it before, to `was`, and the plan doesn't any more."""

    was: str


@dataclass(frozen=True)
class Setting:
    """A value in two places: declared in the file that is read at boot, effective in the running system."""

    declared: str | int | bool | Dropped | Unknown | None
    effective: str | int | bool | Dropped | Unknown | None


@dataclass(frozen=True)
class Unit:
    """A systemd unit: starts at boot (enabled), runs or has run since boot (active)."""

    enabled: bool | Unknown
    active: bool | Unknown


def data(value: Any) -> Any:
    """Return a value in JSON's terms. Unknown, Later and Dropped are objects of one key, not text."""
    match value:
        case Unknown(reason):
            return {"unknown": reason}
        case Later(reason):
            return {"later": reason}
        case Dropped(was):
            return {"dropped": was}
        case Enum():
            return value.value
        case Mapping():
            return {_key(key): data(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [data(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: data(getattr(value, f.name)) for f in fields(value)}
    return value


def _key(key: Any) -> str:
    return " ".join(map(str, key)) if isinstance(key, tuple) else str(key)
