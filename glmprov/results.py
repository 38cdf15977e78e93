"""What the verbs return: one result a host, typed, ready for any report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from glmprov.drift import Difference, Verdict
from glmprov.errors import ExitCode, GlmprovError, worst
from glmprov.history import Act
from glmprov.observation import Observation
from glmprov.plan import HostPlan
from glmprov.receipt import LockState


@dataclass(frozen=True)
class HostFacts:
    """A host as it is, or why it could not be read."""

    host: str
    observation: Observation | None = None
    error: GlmprovError | None = None


@dataclass(frozen=True)
class HostReview:
    """A host held against its plan: what `plan` and `audit` show."""

    host: str
    observation: Observation | None = None
    plan: HostPlan | None = None
    differences: tuple[Difference, ...] = ()
    error: GlmprovError | None = None

    def having(self, *verdicts: Verdict) -> tuple[Difference, ...]:
        """Return the differences with one of the verdicts."""
        return tuple(d for d in self.differences if d.verdict in verdicts)


class Mended(StrEnum):
    """What became of one key, by a second look."""

    FIXED = "FIXED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    UNKNOWN = "UNKNOWN"
    PENDING_REBOOT = "PENDING REBOOT"


@dataclass(frozen=True)
class KeyResult:
    """One key that differed: from before to expected, and what a fresh probe found."""

    key: str
    before: Any
    expected: Any
    after: Any
    result: Mended
    reason: str = ""


@dataclass(frozen=True)
class HostProvision:
    """What provisioning did on one host. applied: an ansible-playbook ran for it; failure: why it stopped."""

    host: str
    keys: tuple[KeyResult, ...] = ()
    notes: tuple[str, ...] = ()
    error: GlmprovError | None = None
    applied: bool = False
    rebooted: bool = False
    seconds: float = 0.0
    failure: GlmprovError | None = None

    def count(self, result: Mended) -> int:
        """Return how many keys had this result."""
        return sum(key.result is result for key in self.keys)


@dataclass(frozen=True)
class HostLock:
    """The lock of one host; info None: nobody holds it. released: it was taken away just now."""

    host: str
    info: LockState | None = None
    error: GlmprovError | None = None
    released: bool = False

    @property
    def text(self) -> str:
        """Who holds the lock, or held it until just now, in one line."""
        if self.info is None:
            return "not locked"
        return f"released, was held by {self.info.text}" if self.released else self.info.text


@dataclass(frozen=True)
class HostHistory:
    """The changes on one host, the newest last. unread counts lines of its journal that can't be read."""

    host: str
    acts: tuple[Act, ...] = ()
    unread: int = 0
    error: GlmprovError | None = None


@dataclass(frozen=True)
class TrustedKey:
    """A host key that known_hosts holds; added: it was written now."""

    name: str
    kind: str
    fingerprint: str
    file: str
    added: bool


@dataclass(frozen=True)
class HostTrust:
    """The keys of a host and of the jump hosts on the way to it, or why they could not be trusted."""

    host: str
    keys: tuple[TrustedKey, ...] = ()
    error: GlmprovError | None = None


class FailOn(StrEnum):
    """What counts towards the exit code of `audit`."""

    DRIFT = "drift"
    PENDING = "pending"
    UNKNOWN = "unknown"
    UNREACHABLE = "unreachable"


def audit_code(reviews: Iterable[HostReview], fail_on: frozenset[FailOn] = frozenset(FailOn)) -> ExitCode:
    """Return the exit code of an audit: drift and pending changes are 3, unknown and unreachable are 4."""
    codes = []
    for review in reviews:
        if review.error is not None:
            unreachable = review.error.exit_code is ExitCode.UNREACHABLE
            if not unreachable or FailOn.UNREACHABLE in fail_on:
                codes.append(review.error.exit_code)
        if FailOn.DRIFT in fail_on and review.having(Verdict.DRIFT):
            codes.append(ExitCode.DRIFT)
        if FailOn.PENDING in fail_on and review.having(Verdict.PENDING, Verdict.LATER):
            codes.append(ExitCode.DRIFT)
        if FailOn.UNKNOWN in fail_on and review.having(Verdict.UNKNOWN):
            codes.append(ExitCode.UNREACHABLE)
    return worst(codes)


def plan_code(reviews: Iterable[HostReview], exit_code: bool) -> ExitCode:
    """Return the exit code of `plan`: errors always count, pending changes (3) only with --exit-code."""
    codes = [review.error.exit_code for review in reviews if review.error]
    if exit_code and any(review.having(Verdict.DRIFT, Verdict.PENDING, Verdict.LATER) for review in reviews):
        codes.append(ExitCode.DRIFT)
    return worst(codes)


def provision_code(results: Iterable[HostProvision]) -> ExitCode:
    """Return the exit code of `provision`: a failed key is 1, a host's error has its own code."""
    codes = []
    for result in results:
        if result.error is not None:
            codes.append(result.error.exit_code)
        elif result.failure or result.count(Mended.FAILED):
            codes.append(ExitCode.FAILED)
        if result.count(Mended.UNKNOWN):
            codes.append(ExitCode.UNREACHABLE)
    return worst(codes)


def errors_code(results: Iterable[HostFacts | HostLock | HostTrust | HostHistory]) -> ExitCode:
    """Return the exit code of a command that only looks: the worst host's error."""
    return worst([result.error.exit_code for result in results if result.error])
