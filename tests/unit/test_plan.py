"""Every file of tests/cases/plan: settings + host → expected state, notes, faults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from unit.summary import observation, uuid

from glmprov import drift, receipt
from glmprov.errors import PlanError
from glmprov.plan import HostPlan, build
from glmprov.settings import from_variables
from glmprov.state import SECTIONS, Dropped, HostState, Later, role_variables

CASES = sorted((Path(__file__).parents[1] / "cases" / "plan").glob("*.yml"))


def read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


def by_uuid(values: Any) -> Any:
    """Cases name cards by number."""
    if not isinstance(values, Mapping):
        return values
    return {uuid(key) if isinstance(key, int) else key: value for key, value in values.items()}


def named(key: str) -> str:
    """A card's number in a key stands for its UUID."""
    return re.sub(r"\[(\d)\]", lambda found: f"[{uuid(int(found[1]))}]", key)


def planned(case: Mapping[str, Any]) -> HostPlan:
    variables = {name: by_uuid(value) for name, value in case.get("settings", {}).items()}
    return build(from_variables("gpu-1", variables), observation(case["host"]))


def at(state: HostState, key: str) -> Any:
    section, _, field = key.partition(".")
    return getattr(getattr(state, section), field, None)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_case(path: Path) -> None:
    case = read(path)
    if "faults" in case:
        with pytest.raises(PlanError) as caught:
            planned(case)
        for fault in case["faults"]:
            assert fault in caught.value.message
        assert caught.value.host == "gpu-1"
        assert caught.value.next_step
        return
    plan = planned(case)
    variables = role_variables(plan.expected)
    for name, value in case.get("expect", {}).items():
        assert variables.get(name) == by_uuid(value), name
    for key in case.get("later", ()):
        assert isinstance(at(plan.expected, key), Later), key
    for key in case.get("unmanaged", ()):
        assert at(plan.expected, key) is None, key
    if "cards" in case:
        assert plan.expected.gpu_driver
        assert plan.expected.gpu_driver.cards == dict.fromkeys(
            (uuid(c) if isinstance(c, int) else c for c in case["cards"]), True
        )
    for key, words in case.get("reasons", {}).items():
        assert words in plan.reasons[named(key)], key
    for note in case.get("notes", ()):
        assert any(note in told for told in plan.notes), plan.notes


def carried_out(expected: HostState) -> HostState:
    """Return the state of a host that was brought to what is expected: what was dropped is gone."""
    tuning, engine = expected.host_tuning, expected.container_engine
    assert tuning
    left = {
        name: {key: each for key, each in value.items() if not isinstance(each.declared, Dropped)}
        for name, value in vars(tuning).items()
        if name in ("kernel_arguments", "module_options", "sysctl", "acs_disabled") and value
    }
    if engine and isinstance(engine.daemon, Mapping):
        sides = {key: each.back if isinstance(each, Dropped) else each for key, each in engine.daemon.items()}
        engine = replace(engine, daemon={key: value for key, value in sides.items() if value is not None})
    return replace(expected, host_tuning=replace(tuning, **left), container_engine=engine)


PLANNABLE = [path for path in CASES if "faults" not in read(path)]


@pytest.mark.parametrize("path", PLANNABLE, ids=lambda path: path.stem)
def test_every_reason_belongs_to_a_key_that_is_expected(path: Path) -> None:
    plan = planned(read(path))
    managed = {section: getattr(plan.expected, section) for section in SECTIONS}
    fields = {f"{section}.{name}" for section, part in managed.items() if part for name in vars(part)}
    assert {key.partition("[")[0] for key in plan.reasons} <= fields


@pytest.mark.parametrize("path", PLANNABLE, ids=lambda path: path.stem)
def test_a_plan_survives_the_receipt_and_then_nothing_differs(path: Path) -> None:
    case = read(path)
    plan, seen = planned(case), observation(case["host"])
    record = receipt.Receipt("2026-11-22T19:00:00Z", "op", "desk", "0.1.0", plan.expected)
    read_back = receipt.from_json(receipt.to_json(record))
    assert read_back.expected == plan.expected
    done = replace(seen, state=carried_out(read_back.expected), receipt=read_back)
    assert not [d for d in drift.audit(done, plan) if d.verdict is not drift.Verdict.LATER]


def test_all_faults_are_told_at_once() -> None:
    case = read(next(path for path in CASES if path.stem == "branch-too-old"))
    with pytest.raises(PlanError) as caught:
        planned(case)
    assert len(caught.value.message.splitlines()) == 4


def test_levels_are_names() -> None:
    for path in PLANNABLE:
        env = role_variables(planned(read(path)).expected).get("nccl_env_env") or {}
        assert not [name for name, value in env.items() if name.endswith("_LEVEL") and value.isdigit()]


@pytest.mark.parametrize("dangerous", ["iommu=off", "amd_iommu=off", "mitigations=off"])
def test_isolation_is_never_turned_off_by_default(dangerous: str) -> None:
    name, _, value = dangerous.partition("=")
    for path in PLANNABLE:
        case = read(path)
        written = {n: value for n, value in case.get("settings", {}).items() if n.endswith("_manage")}
        case["settings"] = written
        arguments = role_variables(planned(case).expected)["host_tuning_kernel_arguments"] or {}
        assert arguments.get(name) != value
