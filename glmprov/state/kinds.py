"""What a field of a section is to plan, role and audit, and what changing it interrupts."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a field is to plan, role and audit."""

    SETTING = "setting"
    """Given to the role and compared."""
    INPUT = "input"
    """Given to the role, not compared: it says how, not what."""
    OUTCOME = "outcome"
    """Compared, but no option of the role: it follows from what the role does."""
    FACT = "fact"
    """Only observed and shown."""


class Disruption(StrEnum):
    """What a change interrupts, mildest first."""

    NONE = "none"
    SERVICE = "service"
    DOCKER = "docker"
    DRIVER = "driver"
    REBOOT = "reboot"


class Manage(StrEnum):
    """What the operator lets us do with a section or a key. Declared in the inventory."""

    ENFORCE = "enforce"
    """Brought to the plan."""
    AUDIT = "audit"
    """Compared and reported, never changed: somebody else sets it."""
    IGNORE = "ignore"
    """Neither compared nor changed."""


def _of(kind: Kind, disruption: Disruption, *, exact: bool = False, shared: bool = False) -> Any:
    """Return a dataclass field that knows its kind; its default is None.

    exact: in a mapping, a key that isn't expected is drift. shared: it is observed in a place that others write
    too, so what we never set there isn't ours.
    """
    metadata = {"kind": kind, "disruption": disruption, "exact": exact, "shared": shared}
    return field(default=None, metadata=metadata)


def setting(disruption: Disruption = Disruption.NONE, *, exact: bool = False, shared: bool = False) -> Any:
    """Declare a field that the role sets and the audit compares."""
    return _of(Kind.SETTING, disruption, exact=exact, shared=shared)


def role_input() -> Any:
    """Declare a field that the role needs and nobody compares."""
    return _of(Kind.INPUT, Disruption.NONE)


def outcome(disruption: Disruption = Disruption.NONE) -> Any:
    """Declare a field that is compared and follows from what the role does."""
    return _of(Kind.OUTCOME, disruption)


def fact() -> Any:
    """Declare a field that is only observed."""
    return _of(Kind.FACT, Disruption.NONE)
