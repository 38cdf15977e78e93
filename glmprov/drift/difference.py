"""What a comparison says of one key."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from glmprov.state import Disruption, Manage


class Verdict(StrEnum):
    """What a comparison says. What could not be read is UNKNOWN, never OK."""

    OK = "OK"
    DRIFT = "DRIFT"
    """It was applied and is no longer so."""
    PENDING = "PENDING"
    """It is asked for and was never applied: `glmprov provision` would do it."""
    UNKNOWN = "UNKNOWN"
    LATER = "LATER"
    """It can't be known yet."""


@dataclass(frozen=True)
class Difference:
    """One key of one host with what is expected, what is observed, and the verdict.

    key is "section.field[item].part" ("gpu_power.limit_watts[GPU-4f…].effective"). pending_reboot: what is
    declared is right and the running system isn't yet. disruption: what mending it interrupts. reason: why
    the expected value is what it is, or why the observed one could not be read. manage: whether provisioning may
    mend it, or only says it.
    """

    host: str
    key: str
    expected: Any
    observed: Any
    verdict: Verdict
    disruption: Disruption = Disruption.NONE
    pending_reboot: bool = False
    reason: str = ""
    manage: Manage = Manage.ENFORCE

    @property
    def section(self) -> str:
        """The section that the key belongs to. One of an instance is "engine_service[NAME].…"."""
        return self.key.partition(".")[0].partition("[")[0]
