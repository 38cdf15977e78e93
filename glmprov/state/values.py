"""What a value may be besides itself: not readable, not known yet, in two places, a unit."""

from __future__ import annotations

from dataclasses import dataclass
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
    """Expected: not there, or `back` to what it was before us. We set it to `was`, and the plan doesn't any more."""

    was: Any
    back: Any = None


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
