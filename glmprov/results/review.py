"""What `plan` and `audit` show, and their exit codes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from glmprov.drift import Difference, Verdict, waiting
from glmprov.errors import ExitCode, GlmprovError, worst
from glmprov.observation import Observation
from glmprov.plan import HostPlan
from glmprov.state import Disruption, Manage


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

    @property
    def enforced(self) -> tuple[Difference, ...]:
        """The differences of keys that are ours to mend."""
        return tuple(d for d in self.differences if d.manage is Manage.ENFORCE)

    @property
    def serving(self) -> tuple[str, ...]:
        """The instances that serve on the host."""
        return self.observation.serving if self.observation else ()

    def waiting(self, allowed: Collection[Disruption] = ()) -> tuple[Difference, ...]:
        """Return what would interrupt an instance that serves, but for what is allowed to."""
        return waiting(self.differences, self.serving, allowed)


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
    if exit_code and any(d.verdict is not Verdict.UNKNOWN for review in reviews for d in review.enforced):
        codes.append(ExitCode.DRIFT)
    return worst(codes)
