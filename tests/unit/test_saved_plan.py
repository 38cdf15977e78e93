"""A plan as a file: written, read again, and held against a world that may have moved on."""

from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from unit.summary import observation, uuid

from glmprov.actions import saved_plan
from glmprov.actions.observe import Fleet, against_plan
from glmprov.errors import ExitCode, MovedOnError, NoHostError, PlanError, UsageError
from glmprov.hardware import Hardware
from glmprov.inventory import Host
from glmprov.plan import build, saved
from glmprov.results import HostReview
from glmprov.secret import Secret
from glmprov.settings import from_variables
from glmprov.state import Unknown

CASES = Path(__file__).parents[1] / "cases"
PLANS = sorted((CASES / "plan").glob("*.yml"))
"""Hosts of the plan's own cases."""
MOVES = sorted((CASES / "saved_plan").glob("*.yml"))
PUBLISHED = json.loads((Path(__file__).parents[2] / "docs/schemas/saved-plan-1.json").read_text())


def read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


def settings_of(case: Mapping[str, Any]) -> dict[str, Any]:
    """Cases name cards by number."""
    return {
        name: {uuid(key) if isinstance(key, int) else key: item for key, item in value.items()}
        if isinstance(value, Mapping)
        else value
        for name, value in case.get("settings", {}).items()
    }


def reviewed(summary: Mapping[str, Any], variables: Mapping[str, Any]) -> HostReview:
    seen = observation(summary)
    if "unreadable" in summary:
        seen = replace(seen, state=replace(seen.state, nccl_env=Unknown(summary["unreadable"])))
    try:
        plan = build(from_variables("gpu-1", variables), seen)
    except PlanError as error:
        return HostReview("gpu-1", seen, error=error)
    return HostReview("gpu-1", seen, plan, against_plan(seen, plan))


def fleet(variables: Mapping[str, Any], *others: str) -> Fleet:
    return Fleet((Host("gpu-1", variables), *(Host(name) for name in others)))


def saved_to(path: Path, case: Mapping[str, Any]) -> saved.SavedPlan:
    variables = settings_of(case)
    saved_plan.save([reviewed(case["host"], variables)], fleet(variables), path)
    return saved_plan.read(path)


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    saved_to(tmp_path / "plan.json", {"host": {"cards": [{}, {}]}, "settings": {"gpu_driver_branch": "580"}})
    return tmp_path / "plan.json"


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_a_saved_plan_reads_as_it_was_written_and_fits_the_published_schema(
    path: Path, tmp_path: Path
) -> None:
    plan = saved_to(tmp_path / "plan.json", read(path))
    text = (tmp_path / "plan.json").read_text()
    assert saved.to_json(plan) == text
    jsonschema.validate(json.loads(text), PUBLISHED)
    (host,) = plan.hosts
    assert (host.error is None) == bool(host.expected) == (host.machine is not None)


@pytest.mark.parametrize("path", MOVES, ids=lambda path: path.stem)
def test_what_moved_is_said(path: Path, tmp_path: Path) -> None:
    case = read(path)
    plan = saved_to(tmp_path / "plan.json", case)
    now = case["host"] | case.get("now", {})
    review = reviewed(now, settings_of(case))
    if case.get("begun"):
        assert review.observation
        receipt = replace(review.observation.receipt, plan=plan.id)
        review = replace(review, observation=replace(review.observation, receipt=receipt))
    held = saved_plan.held_to(plan, review, from_variables("gpu-1", settings_of(case)))
    if not case["moved"]:
        assert held is review, held.error
        return
    assert isinstance(held.error, MovedOnError) and held.error.exit_code is ExitCode.FAILED
    lines = held.error.message.splitlines()[1:]
    for line in case["moved"]:
        assert any(said.startswith(line) for said in lines), lines
