"""What `provision` did, key by key, and its exit code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from glmprov.errors import ExitCode, GlmprovError, worst
from glmprov.state import Disruption


class Mended(StrEnum):
    """What became of one key, by a second look."""

    FIXED = "FIXED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    UNKNOWN = "UNKNOWN"
    PENDING_REBOOT = "PENDING REBOOT"
    WAITS = "WAITS"
    """It would interrupt an instance that serves, and nobody allowed that."""


@dataclass(frozen=True)
class KeyResult:
    """One key that differed: from before to expected, and what a fresh probe found."""

    key: str
    before: Any
    expected: Any
    after: Any
    result: Mended
    reason: str = ""
    disruption: Disruption = Disruption.NONE


@dataclass(frozen=True)
class Waiting:
    """What waits while these instances serve: what it would interrupt, and the command that does it."""

    serving: tuple[str, ...]
    classes: tuple[Disruption, ...]
    command: str


@dataclass(frozen=True)
class HostProvision:
    """What provisioning did on one host.

    applied: an ansible-playbook ran for it; failure: why it stopped, or why the hook after it failed. batch counts
    from 1, 0 for a host with nothing to do. not_begun: why a host with something to do was left as it is.
    """

    host: str
    keys: tuple[KeyResult, ...] = ()
    notes: tuple[str, ...] = ()
    error: GlmprovError | None = None
    applied: bool = False
    rebooted: bool = False
    seconds: float = 0.0
    failure: GlmprovError | None = None
    batch: int = 0
    not_begun: str = ""
    waiting: Waiting | None = None

    @property
    def failed(self) -> bool:
        """Whether something went wrong on it."""
        return bool(self.error or self.failure or self.count(Mended.FAILED))

    def count(self, result: Mended) -> int:
        """Return how many keys had this result."""
        return sum(key.result is result for key in self.keys)


def provision_code(results: Iterable[HostProvision]) -> ExitCode:
    """Return the exit code of `provision`: a failed key is 1, a host's error has its own code.

    What waits for an instance and hosts that were not begun are changes pending, 3.
    """
    codes = []
    for result in results:
        if result.error is not None:
            codes.append(result.error.exit_code)
        elif result.failed:
            codes.append(ExitCode.FAILED)
        if result.count(Mended.UNKNOWN):
            codes.append(ExitCode.UNREACHABLE)
        if result.not_begun or result.count(Mended.WAITS):
            codes.append(ExitCode.DRIFT)
    return worst(codes)
