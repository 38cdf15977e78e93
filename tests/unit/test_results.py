"""Exit codes of several hosts together, as docs/exit-codes.md promises them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from glmprov.drift import Difference, Verdict
from glmprov.errors import ExitCode, GlmprovError, LockError, NoHostError, PlanError, UnreachableError, worst
from glmprov.results.provision import HostProvision, KeyResult, Mended, provision_code
from glmprov.results.review import FailOn, HostReview, audit_code, plan_code


def difference(verdict: Verdict) -> Difference:
    return Difference("gpu-1", "gpu_power.boot_unit.enabled", True, False, verdict)


def review(*verdicts: Verdict, error: GlmprovError | None = None) -> HostReview:
    return HostReview("gpu-1", differences=tuple(map(difference, verdicts)), error=error)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([], 0),
        ([ExitCode.DRIFT, ExitCode.UNREACHABLE], 4),
        ([ExitCode.UNREACHABLE, ExitCode.LOCKED], 6),
        ([ExitCode.LOCKED, ExitCode.FAILED], 1),
        ([ExitCode.FAILED, ExitCode.GATE_FAILED], 5),
        ([ExitCode.GATE_FAILED, ExitCode.RESTORE_FAILED], 8),
        ([ExitCode.DONE, ExitCode.NO_HOST], 7),
    ],
)
def test_the_worst_code_speaks_for_all(codes: list[ExitCode], expected: int) -> None:
    assert worst(codes) == expected


@pytest.mark.parametrize(
    ("reviews", "expected"),
    [
        ([review()], 0),
        ([review(Verdict.DRIFT)], 3),
        ([review(Verdict.PENDING)], 3),
        ([review(Verdict.DRIFT), review(Verdict.UNKNOWN)], 4),
        ([review(), review(error=UnreachableError("no route"))], 4),
        ([review(error=PlanError("impossible")), review(Verdict.UNKNOWN)], 1),
        ([review(error=NoHostError("none"))], 7),
    ],
)
def test_audit_counts_drift_and_what_is_unknown(reviews: list[HostReview], expected: int) -> None:
    assert audit_code(reviews) == expected


def test_fail_on_narrows_what_counts() -> None:
    reviews = [review(Verdict.DRIFT, Verdict.UNKNOWN), review(error=UnreachableError("no route"))]
    assert audit_code(reviews, frozenset({FailOn.DRIFT})) == 3
    assert audit_code(reviews, frozenset({FailOn.PENDING})) == 0


def test_plan_says_pending_changes_only_when_asked() -> None:
    assert plan_code([review(Verdict.DRIFT)], exit_code=False) == 0
    assert plan_code([review(Verdict.DRIFT)], exit_code=True) == 3


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (Mended.FIXED, 0),
        (Mended.PENDING_REBOOT, 0),
        (Mended.UNKNOWN, 4),
        (Mended.FAILED, 1),
        (Mended.SKIPPED, 0),
        (Mended.WAITS, 3),
    ],
)
def test_provision_believes_the_second_look(result: Mended, expected: int) -> None:
    key = KeyResult("gpu_power.boot_unit.enabled", False, True, True, result)
    assert provision_code([HostProvision("gpu-1", (key,))]) == expected


def test_one_unreachable_host_is_code_4_and_a_locked_one_is_6() -> None:
    lost = HostProvision("gpu-2", error=UnreachableError("lost"))
    assert provision_code([HostProvision("gpu-1"), lost]) == 4
    assert provision_code([lost, HostProvision("gpu-3", error=LockError("held"))]) == 6


def test_hosts_that_were_not_begun_are_changes_pending() -> None:
    left = HostProvision("gpu-2", not_begun="it is past 05:00")
    assert provision_code([HostProvision("gpu-1"), left]) == 3
    assert provision_code([HostProvision("gpu-1", error=LockError("held")), left]) == 6


def test_the_published_table_is_the_one_in_the_code() -> None:
    text = (Path(__file__).parents[2] / "docs" / "exit-codes.md").read_text()
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.M)} == {int(code) for code in ExitCode}
