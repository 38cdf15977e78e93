"""From readings to docs/performance.md. Pure.

The readings are kept beside it, in docs/performance.json: a suite that is measured anew takes the place of its old
figures, and the page is made of all.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

MADE_BY = "<!-- Made by `make bench`. -->"


@dataclass(frozen=True)
class Reading:
    """What one run cost: wall clock, CPU of the contender with all that it started, CPU of the hosts; in seconds."""

    wall_seconds: float
    client_seconds: float
    server_seconds: float = 0.0


class Of(StrEnum):
    """Which figure of a reading is meant."""

    WALL = "wall_seconds"
    CLIENT = "client_seconds"
    SERVER = "server_seconds"


@dataclass(frozen=True)
class Goal:
    """A ratio of two contenders' medians and its limit.

    faster: the peer's figure over ours must be at least the limit; else ours over the peer's at most.
    """

    ours: str
    peer: str
    limit: float
    faster: bool = False
    of: Of = Of.WALL


@dataclass(frozen=True)
class Bound:
    """A median that must not be above so many milliseconds, of CPU unless said otherwise."""

    name: str
    limit_milliseconds: float
    of: Of = Of.CLIENT


@dataclass(frozen=True)
class Suite:
    """One piece of work that all contenders do. The first contender is 1.00 in its table."""

    title: str
    work: str
    readings: Mapping[str, Sequence[Reading]]
    goals: Sequence[Goal] = ()
    bounds: Sequence[Bound] = ()


@dataclass(frozen=True)
class Setting:
    """When, on what and by what a suite was measured."""

    date: str
    machine: str
    versions: Mapping[str, str]
    command: str


@dataclass(frozen=True)
class Measured:
    """A suite with where its figures come from."""

    suite: Suite
    setting: Setting


def median(readings: Sequence[Reading], of: Of) -> float:
    """Return the median of a figure."""
    return float(statistics.median(getattr(reading, of) for reading in readings))


def ratio(suite: Suite, goal: Goal) -> float:
    """Return a goal's ratio as measured."""
    ours, peer = (median(suite.readings[name], goal.of) for name in (goal.ours, goal.peer))
    return peer / ours if goal.faster else ours / peer


def reached(suite: Suite, goal: Goal) -> bool:
    """Tell whether a goal was reached."""
    measured = ratio(suite, goal)
    return measured >= goal.limit if goal.faster else measured <= goal.limit


def goal_row(suite: Suite, goal: Goal) -> str:
    """Return a goal as a row of the first table."""
    figure = "client CPU" if goal.of is Of.CLIENT else "wall"
    wanted = f"≥ {goal.limit:g} × faster" if goal.faster else f"{figure} ≤ {goal.limit:g} ×"
    measured = _ratio_text(ratio(suite, goal)) + (" × faster" if goal.faster else " ×")
    several = len({each.ours for each in suite.goals}) > 1
    work = f"{suite.title}: {goal.ours}" if several else suite.title
    return f"| {work} | {goal.peer} | {wanted} | {measured} | {_word(reached(suite, goal))} |"


def bound_row(suite: Suite, bound: Bound) -> str:
    """Return a bound as a row of the first table."""
    measured = median(suite.readings[bound.name], bound.of) * 1000
    met = _word(measured <= bound.limit_milliseconds)
    limit = f"≤ {bound.limit_milliseconds:g} ms{' CPU' if bound.of is Of.CLIENT else ''}"
    return f"| {suite.title} | {bound.name} | {limit} | {measured:.0f} ms | {met} |"


def suite_table(suite: Suite) -> list[str]:
    """Return what each contender cost, as lines of Markdown."""
    first = next(iter(suite.readings.values()))
    served = any(reading.server_seconds for each in suite.readings.values() for reading in each)
    head = ["contender", "rounds", "wall s", "×", "client CPU s", "×", *(["server CPU s"] if served else [])]
    lines = [f"| {' | '.join(head)} |", "| --- |" + " ---: |" * (len(head) - 1)]
    for name, readings in suite.readings.items():
        cells = [name, str(len(readings))]
        for of in (Of.WALL, Of.CLIENT):
            value, base = median(readings, of), median(first, of)
            cells += [_seconds_text(value), _ratio_text(value / base) if base else "–"]
        cells += [_seconds_text(median(readings, Of.SERVER))] if served else []
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def document(measured: Mapping[str, Measured]) -> str:
    """Return docs/performance.md, of suites by their names."""
    suites = [each.suite for each in measured.values()]
    lines = [
        "# Performance",
        "",
        MADE_BY,
        "",
        "Made by `make bench`, which measures all of it, or one suite anew with `ARGS='--suite NAME'`.",
        "Contenders take turns (A B C A B C …), figures are medians.",
        "Client CPU is the contender with everything that it started, server CPU the hosts with their SSH servers, by",
        "control groups. Hosts are nodes of the [rehearsal fleet](lab.md) on the same machine, so both sides share its",
        "cores: ratios and client CPU carry over to other machines, seconds don't.",
        "",
        "| work | against | goal | measured | |",
        "| --- | --- | --- | --- | --- |",
        *(goal_row(suite, goal) for suite in suites for goal in suite.goals),
        *(bound_row(suite, bound) for suite in suites for bound in suite.bounds),
    ]
    for name, each in measured.items():
        lines += [
            "",
            f"## {_capitalized(each.suite.title)}",
            "",
            each.suite.work,
            "",
            *suite_table(each.suite),
        ]
        lines += ["", _origin(name, each.setting)]
    return "\n".join(lines) + "\n"


def _origin(name: str, setting: Setting) -> str:
    versions = ", ".join(f"{program} {version}" for program, version in setting.versions.items())
    return f"`--suite {name}`, measured on {setting.date} by `{setting.command}` with {versions}; {setting.machine}."


def to_json(measured: Mapping[str, Measured]) -> str:
    """Return docs/performance.json."""
    return json.dumps({name: asdict(each) for name, each in measured.items()}, indent=1) + "\n"


def from_json(text: str) -> dict[str, Measured]:
    """Given the text of docs/performance.json, return the suites in it by their names."""
    return {name: _measured(record) for name, record in json.loads(text).items()}


def _measured(record: Mapping[str, Any]) -> Measured:
    suite = record["suite"]
    return Measured(
        Suite(
            suite["title"],
            suite["work"],
            {name: [Reading(**each) for each in readings] for name, readings in suite["readings"].items()},
            [Goal(**{**goal, "of": Of(goal["of"])}) for goal in suite["goals"]],
            [Bound(**{**bound, "of": Of(bound.get("of", Of.CLIENT))}) for bound in suite["bounds"]],
        ),
        Setting(**record["setting"]),
    )


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


def _word(met: bool) -> str:
    return "reached" if met else "missed"


def _ratio_text(value: float) -> str:
    return f"{value:.0f}" if value >= 20 else f"{value:.1f}" if value >= 4 else f"{value:.2f}"


def _seconds_text(value: float) -> str:
    if not value:
        return "–"  # not measured
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.3 else f"{value:.3f}"
