"""The benchmark's report: medians, ratios, goals."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.report import (
    MADE_BY,
    Bound,
    Goal,
    Measured,
    Of,
    Reading,
    Setting,
    Suite,
    document,
    from_json,
    median,
    ratio,
    reached,
    to_json,
)
from tests.bench.suites import SUITES

REPORT = Path(__file__).parents[2] / "docs" / "performance.md"

OURS = [Reading(1.0, 0.5, 2.0), Reading(9.0, 0.4, 2.0), Reading(2.0, 0.6, 2.0)]
PEER = [Reading(20.0, 4.0, 8.0)]
SETTING = Setting("2026-01-02", "2 cores", {"glmprov": "abc", "ansible-core": "2.19"}, "make bench")


def suite(*goals: Goal, bounds: tuple[Bound, ...] = ()) -> Suite:
    return Suite("work of all", "What it is.", {"ours": OURS, "peer": PEER}, goals, bounds)


def test_a_figure_is_the_median_of_its_readings() -> None:
    assert [median(OURS, of) for of in Of] == [2.0, 0.5, 2.0]


@pytest.mark.parametrize(
    ("goal", "measured", "met"),
    [
        (Goal("ours", "peer", 10, faster=True), 10.0, True),
        (Goal("ours", "peer", 10.1, faster=True), 10.0, False),
        (Goal("ours", "peer", 0.125, of=Of.CLIENT), 0.125, True),
        (Goal("ours", "peer", 0.1), 0.1, True),
        (Goal("ours", "peer", 0.09), 0.1, False),
    ],
)
def test_a_goal_is_a_ratio_and_a_limit(goal: Goal, measured: float, met: bool) -> None:
    assert ratio(suite(), goal) == pytest.approx(measured)
    assert reached(suite(), goal) is met


def test_the_document_says_goals_figures_and_where_they_come_from() -> None:
    goals = (Goal("ours", "peer", 60, faster=True), Goal("ours", "peer", 0.9, of=Of.CLIENT))
    measured = {"all": Measured(suite(*goals, bounds=(Bound("ours", 500),)), SETTING)}
    text = document(measured)
    assert text.startswith("# Performance\n\n" + MADE_BY)
    assert "`--suite all`, measured on 2026-01-02 by `make bench`" in text
    assert "glmprov abc, ansible-core 2.19" in text
    assert "| work of all | peer | ≥ 60 × faster | 10.0 × faster | missed |" in text
    assert "| work of all | peer | client CPU ≤ 0.9 × | 0.12 × | reached |" in text
    assert "| work of all | ours | ≤ 500 ms CPU | 500 ms | reached |" in text
    assert "## Work of all" in text
    assert "| ours | 3 | 2.00 | 1.00 | 0.50 | 1.00 | 2.00 |" in text
    assert "| peer | 1 | 20.0 | 10.0 | 4.00 | 8.0 | 8.00 |" in text


def test_what_is_kept_is_read_again() -> None:
    measured = {
        "all": Measured(suite(Goal("ours", "peer", 2, of=Of.CLIENT), bounds=(Bound("ours", 5),)), SETTING)
    }
    assert to_json(from_json(to_json(measured))) == to_json(measured)
    assert document(from_json(to_json(measured))) == document(measured)


def test_the_page_is_made_of_its_readings_and_has_every_suite() -> None:
    kept = from_json(REPORT.with_suffix(".json").read_text())
    assert list(kept) == list(SUITES)
    assert all(each.suite.goals or each.suite.bounds for each in kept.values())
    assert REPORT.read_text() == document(kept)
