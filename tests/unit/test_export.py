"""What `plan --export` writes, for every host of the plan's cases: what the roles take, and no more."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from unit.summary import observation
from unit.test_plan import PLANNABLE, by_uuid, planned, read

from glmprov.actions.export import GROUP, MARK, export, host_file
from glmprov.actions.observe import Fleet
from glmprov.errors import UsageError
from glmprov.inventory import Host
from glmprov.results.review import HostReview
from glmprov.state import role_variables

ROLES = Path(__file__).parents[2] / "roles"


def host_of(case: Mapping[str, Any]) -> Host:
    return Host("gpu-1", {name: by_uuid(value) for name, value in case.get("settings", {}).items()})


def exported(case: Mapping[str, Any]) -> dict[str, Any]:
    return yaml.safe_load(host_file(host_of(case), review(case)))


def review(case: Mapping[str, Any]) -> HostReview:
    return HostReview("gpu-1", observation(case["host"]), planned(case))


def project(directory: Path, inventory: Path | None = None) -> Path:
    """Export the first case."""
    case = read(PLANNABLE[0])
    fleet = Fleet((host_of(case),), sources=(inventory or directory.parent / "rigs.ini",))
    export([review(case)], fleet, directory)
    return directory


@pytest.mark.parametrize("path", PLANNABLE, ids=lambda path: path.stem)
def test_the_roles_take_what_is_exported_over_what_the_operator_wrote(path: Path) -> None:
    case = read(path)
    seen = dict(host_of(case).variables) | exported(case)
    for section in seen["glmprov_sections"]:
        specs = yaml.safe_load((ROLES / section / "meta/argument_specs.yml").read_text())
        options = specs["argument_specs"]["main"]["options"]
        defaults = yaml.safe_load((ROLES / section / "defaults/main.yml").read_text())
        given = defaults | {name: value for name, value in seen.items() if name in options}
        assert not ArgumentSpecValidator(options).validate(given).error_messages


@pytest.mark.parametrize("path", PLANNABLE, ids=lambda path: path.stem)
def test_what_is_exported_is_what_provisioning_gives_the_roles(path: Path) -> None:
    case = read(path)
    found = exported(case)
    wanted = role_variables(planned(case).given(observation(case["host"])))
    assert {name: found[name] for name in wanted} == wanted
    for section in found["glmprov_sections"]:
        assert any(name.startswith(f"{section}_") for name in wanted)


def test_what_is_known_later_is_left_out_and_said() -> None:
    case = read(next(path for path in PLANNABLE if path.stem == "bare-8x-server"))
    found = exported(case)
    assert "gpu_power" not in found["glmprov_sections"]
    assert not any(name.startswith("gpu_power") or name == "gpu_driver_version" for name in found)
    text = host_file(host_of(case), review(case))
    assert "#   gpu_power.limit_watts: known after the driver is installed" in text


def test_a_section_that_is_ignored_is_not_applied() -> None:
    case = read(next(path for path in PLANNABLE if path.stem == "manage-ignored-section"))
    ignored = {name.removesuffix("_manage") for name, word in case["settings"].items() if word == "ignore"}
    assert ignored and ignored.isdisjoint(exported(case)["glmprov_sections"])


def test_a_driver_that_is_only_checked_is_not_applied() -> None:
    case = read(next(path for path in PLANNABLE if path.stem == "existing-unowned"))
    assert "gpu_driver" not in exported(case)["glmprov_sections"]


def test_the_project_is_whole(tmp_path: Path) -> None:
    directory = project(tmp_path / "out")
    assert sorted(path.name for path in directory.iterdir()) == [
        "ansible.cfg", "host_vars", "inventory.yml", "provision.yml", "roles",
    ]  # fmt: skip
    (play,) = yaml.safe_load((directory / "provision.yml").read_text())
    assert play["hosts"] == GROUP
    assert yaml.safe_load((directory / "inventory.yml").read_text()) == {GROUP: {"hosts": {"gpu-1": None}}}
    assert {path.name for path in (directory / "roles").iterdir()} == {path.name for path in ROLES.iterdir()}


def test_the_same_plan_gives_the_same_bytes(tmp_path: Path) -> None:
    def contents(directory: Path) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}

    first = contents(project(tmp_path / "out"))
    assert contents(project(tmp_path / "out")) == first


def test_hosts_of_an_earlier_export_stay(tmp_path: Path) -> None:
    directory = project(tmp_path / "out")
    (directory / "host_vars/gpu-1").rename(directory / "host_vars/gpu-0")
    project(directory)
    listed = yaml.safe_load((directory / "inventory.yml").read_text())
    assert list(listed[GROUP]["hosts"]) == ["gpu-0", "gpu-1"]


@pytest.mark.parametrize("place", [".", "rigs.d", "rigs.d/out"])
def test_it_never_lies_where_the_inventory_would_read_it(place: str, tmp_path: Path) -> None:
    (tmp_path / "rigs.d").mkdir()
    inventory = tmp_path / "rigs.ini" if place == "." else tmp_path / "rigs.d"
    inventory.touch()
    with pytest.raises(UsageError, match="read as your orders"):
        project(tmp_path / place, inventory)
    assert not (tmp_path / place / "roles").exists()


@pytest.mark.parametrize(
    "theirs", ["ansible.cfg", "provision.yml", "inventory.yml", "host_vars/gpu-1/glmprov.yml"]
)
def test_files_of_others_are_not_overwritten(theirs: str, tmp_path: Path) -> None:
    path = tmp_path / "out" / theirs
    path.parent.mkdir(parents=True)
    path.write_text("theirs\n")
    with pytest.raises(UsageError, match="not from an earlier export"):
        project(tmp_path / "out")
    assert path.read_text() == "theirs\n"
    path.write_text(f"{MARK}\n")
    project(tmp_path / "out")


def test_roles_of_others_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "out/roles/gpu_power").mkdir(parents=True)
    with pytest.raises(UsageError, match="roles/gpu_power"):
        project(tmp_path / "out")
