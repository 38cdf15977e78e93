"""A plan as a file: written, read again, and held against a world that may have moved on."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
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
from glmprov.errors import ExitCode, InventoryError, MovedOnError, NoHostError, PlanError, UsageError
from glmprov.inventory import Host
from glmprov.plan import build, saved
from glmprov.results.facts import HostFacts
from glmprov.results.review import HostReview
from glmprov.secret import Secret
from glmprov.settings import from_variables
from glmprov.state import NcclEnv, Unknown

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
        seen = replace(seen, state=replace(seen.state, nccl_env=NcclEnv(env=Unknown(summary["unreadable"]))))
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


def test_a_plan_that_is_applied_says_so(tmp_path: Path) -> None:
    case = {"host": {"cards": [{}], "driver": "580.105.08"}}
    plan = saved_to(tmp_path / "plan.json", case)
    review = replace(reviewed(case["host"], {}), differences=())
    held = saved_plan.held_to(plan, review, from_variables("gpu-1", {}))
    assert held.error is None and held.plan
    assert held.plan.notes[-1] == f"plan {plan.name} is applied already: nothing is left to do"


def test_a_look_is_held_against_the_plan_until_the_run_begins(tmp_path: Path) -> None:
    plan = saved_to(tmp_path / "plan.json", {"host": {"cards": [{}]}})
    hold = saved_plan.reviewer(plan)
    facts = HostFacts("gpu-1", observation({"cards": [{}], "driver": "580.105.08"}))
    settings = from_variables("gpu-1", {})
    for _ in range(2):
        assert isinstance(hold(facts, settings, against_plan).error, MovedOnError)
    assert hold(facts, settings, partial(against_plan, before={})).error is None


def test_a_host_that_could_not_be_planned_is_refused(tmp_path: Path) -> None:
    plan = saved_to(tmp_path / "plan.json", {"host": {"cards": []}})
    assert plan.hosts[0].error
    held = saved_plan.held_to(plan, reviewed({"cards": [{}]}, {}), from_variables("gpu-1", {}))
    assert held.error and "no NVIDIA card on the PCI bus" in held.error.message


BROKEN: dict[str, tuple[Callable[[str], str], str]] = {
    "no json": (lambda text: text[:100], "it isn't JSON"),
    "nothing of ours": (lambda _: "[1, 2]", "no document of ours"),
    "what --json prints": (
        lambda _: '{"schema": "glmprov/plan/1"}',
        "schema glmprov/plan/1, not a saved plan",
    ),
    "another version": (
        lambda text: text.replace("saved-plan/1", "saved-plan/2"),
        "schema glmprov/saved-plan/2, this program reads glmprov/saved-plan/1",
    ),
    "edited by hand": (
        lambda text: text.replace('"gpu_driver_branch": "580"', '"gpu_driver_branch": "590"'),
        "it was changed after it was made",
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_file_that_is_no_plan_is_told_apart(how: str, plan_file: Path) -> None:
    breaks, message = BROKEN[how]
    before = plan_file.read_text()
    plan_file.write_text(breaks(before))
    assert plan_file.read_text() != before
    with pytest.raises(UsageError, match=message) as caught:
        saved_plan.read(plan_file)
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.place == str(plan_file) and caught.value.next_step


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_said(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "plan.json").write_bytes(content)
    with pytest.raises(UsageError, match=r"(read|text)"):
        saved_plan.read(tmp_path / "plan.json")


@given(value=st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists), data=st.data())
def test_no_value_can_be_changed_unnoticed(value: Any, data: st.DataObject) -> None:
    host = saved.host_of("gpu-1", from_variables("gpu-1", {}), None, None, (), None)
    plan = saved.identified(
        saved.SavedPlan(
            schema=saved.SCHEMA, id="", made_at="now", by="op", controller="desk", glmprov_version="0.1.0",
            inventory=("a.ini",), commits=(), hosts=(host,),
        )
    )  # fmt: skip
    document = json.loads(saved.to_json(plan))
    assert saved.from_json(json.dumps(document)) == plan
    name = data.draw(st.sampled_from(sorted(document)))
    if document[name] != value:
        with pytest.raises(UsageError):
            saved.from_json(json.dumps(document | {name: value}))


def test_a_plan_is_written_whole_and_may_be_read_by_others(plan_file: Path) -> None:
    assert stat.S_IMODE(plan_file.stat().st_mode) == 0o644
    assert [path.name for path in plan_file.parent.iterdir()] == ["plan.json"]


def test_what_is_no_file_is_written_to_and_a_link_stays_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    saved_plan.write_whole(tmp_path / "pipe", "plan")
    assert os.read(reader, 9) == b"plan"
    os.close(reader)
    (tmp_path / "link").symlink_to(tmp_path / "plan.json")
    saved_plan.write_whole(tmp_path / "link", "plan")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "plan.json").read_text() == "plan"


def test_a_plan_that_cannot_be_written_leaves_the_one_that_was_there(plan_file: Path) -> None:
    before = plan_file.read_text()
    with pytest.raises(UsageError, match="can't be written"):
        saved_plan.write_whole(plan_file / "below", "text")
    with pytest.raises(UnicodeEncodeError):
        saved_plan.write_whole(plan_file, "half \ud800")
    assert plan_file.read_text() == before
    assert [path.name for path in plan_file.parent.iterdir()] == ["plan.json"]


VAULTED = [
    {"nccl_env_env": {"NCCL_DEBUG": Secret("hunter22")}},
    {"gpu_driver_repository_url": Secret("https://u:hunter22@mirror/")},
    {"container_engine_daemon": {"registry-mirrors": [Secret("https://u:hunter22@mirror/")]}},
]


@pytest.mark.parametrize("variables", VAULTED, ids=lambda variables: next(iter(variables)))
def test_a_vault_value_is_no_setting_and_so_is_in_no_plan(variables: Mapping[str, Any]) -> None:
    with pytest.raises(InventoryError, match="is a vault value") as caught:
        from_variables("gpu-1", variables)
    assert "hunter22" not in str(caught.value)


def test_no_variable_but_our_settings_is_in_a_plan(tmp_path: Path) -> None:
    variables = {"ansible_become_password": Secret("hunter22"), "ansible_password": "plain22", "site": "x22"}
    saved_plan.save([reviewed({"cards": [{}]}, {})], fleet(variables), tmp_path / "plan.json")
    assert json.loads((tmp_path / "plan.json").read_text())["hosts"][0]["settings"] == {}
    assert not any(word in (tmp_path / "plan.json").read_text() for word in ("hunter22", "plain22", "x22"))


def test_a_moved_inventory_refuses_every_host_and_says_what_moved(plan_file: Path) -> None:
    plan = saved_plan.read(plan_file)
    moved = fleet({"gpu_driver_branch": "590", "host_tuning_cpu_governor": "powersave"})
    with pytest.raises(MovedOnError) as caught:
        saved_plan.narrowed(plan, moved, limited=False)
    assert "gpu-1: gpu_driver_branch: was 580, is 590" in caught.value.message
    assert "gpu-1: host_tuning_cpu_governor: was absent, is powersave" in caught.value.message


def test_a_host_that_is_gone_refuses_every_host_unless_others_are_asked_for(plan_file: Path) -> None:
    plan = saved_plan.read(plan_file)
    others = Fleet((Host("gpu-2"),))
    with pytest.raises(MovedOnError, match="gpu-1: it is no longer in the inventory"):
        saved_plan.narrowed(plan, others, limited=False)
    with pytest.raises(NoHostError):
        saved_plan.narrowed(plan, others, limited=True)


def test_hosts_that_the_plan_does_not_have_are_left_out(plan_file: Path) -> None:
    narrowed = saved_plan.narrowed(
        saved_plan.read(plan_file), fleet({"gpu_driver_branch": "580"}, "gpu-2"), limited=False
    )
    assert [host.name for host in narrowed.hosts] == ["gpu-1"]


def test_another_version_of_the_program_is_refused(plan_file: Path) -> None:
    plan = saved_plan.read(plan_file).model_copy(update={"glmprov_version": "0.0.9"})
    with pytest.raises(MovedOnError, match=r"glmprov: was 0\.0\.9, is"):
        saved_plan.narrowed(plan, fleet({"gpu_driver_branch": "580"}), limited=False)
