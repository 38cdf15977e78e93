"""Which packages are asked of apt, and when nothing is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.roles.modules import load

packages = load("glmprov_packages")
record = load("glmprov_record")

SET = r"^(?!.*(container|pinning))((lib)?nvidia-|libcuda1$)"
ABSENT = r"^nvidia-(kernel-)?dkms(-[0-9]+)?(-server)?$"
DRIVER = dict.fromkeys(
    ("nvidia-driver-cuda", "nvidia-kernel-open-dkms", "libnvidia-ml1", "libcuda1", "nvidia-persistenced"),
    "580.95.05-1",
)
TOOLKIT = {
    "nvidia-container-toolkit": "1.18.0-1",
    "libnvidia-container1": "1.18.0-1",
    "nvidia-driver-pinning-580": "580-1",
}


def _wanted(version: str = "", branch: str = "580") -> Any:
    names = ("nvidia-driver-cuda", "nvidia-kernel-open-dkms", "linux-headers-6.1.0-48-amd64")
    asked = [{"name": name, "unless": []} for name in names]
    return packages.Wanted(
        {"packages": asked, "version": version, "branch": branch, "set": SET, "absent": ABSENT}
    )


INSTALLED = {**DRIVER, **TOOLKIT, "linux-headers-6.1.0-48-amd64": "6.1.172-1"}


def test_the_toolkit_and_the_pin_are_not_the_driver() -> None:
    assert sorted(_wanted().members(INSTALLED)) == sorted(DRIVER)


@pytest.mark.parametrize(
    ("change", "version", "satisfied"),
    [
        ({}, "580.95.05", True),
        ({}, "", True),
        ({}, "580.105.08", False),
        ({"libcuda1": "580.105.08-1"}, "", False),
        (dict.fromkeys(DRIVER, "595.58.03-1"), "", False),
        ({"nvidia-kernel-dkms": "580.95.05-1"}, "", False),
        ({"linux-headers-6.1.0-48-amd64": None}, "", False),
    ],
)
def test_the_driver_is_right_as_a_set(change: dict[str, str | None], version: str, satisfied: bool) -> None:
    installed = {name: v for name, v in {**INSTALLED, **change}.items() if v}
    assert _wanted(version).satisfied(installed) is satisfied


@pytest.mark.parametrize("engine", ["docker-ce", "docker.io", "moby-engine"])
def test_an_engine_that_is_there_is_kept(engine: str) -> None:
    unless = [name for name in ("docker-ce", "docker.io", "moby-engine") if name != "docker.io"]
    asked = {
        "packages": [{"name": "docker.io", "unless": unless}],
        "version": "",
        "branch": "",
        "set": "",
        "absent": "",
    }
    assert packages.Wanted(asked).satisfied({engine: "1.0-1"})
    assert not packages.Wanted(asked).satisfied({})


def test_a_simulation_tells_what_would_be_installed() -> None:
    steps = (
        "Remv nvidia-kernel-dkms [580.95.05-1]\n"
        "Inst libcuda1 [580.95.05-1] (580.105.08-1 glmprov [amd64])\n"
        "Inst nvidia-kernel-open-dkms (580.105.08-1 glmprov [amd64])\nConf libcuda1 (580.105.08-1)\n"
    )
    before = {"nvidia-kernel-dkms": "580.95.05-1", "libcuda1": "580.95.05-1", "bash": "5.2"}
    assert packages.simulated(before, steps) == {
        "libcuda1": "580.105.08-1",
        "nvidia-kernel-open-dkms": "580.105.08-1",
        "bash": "5.2",
    }


def test_a_package_keeps_the_version_from_before_the_first_time(tmp_path: Path) -> None:
    path = str(tmp_path / "packages.json")
    record.remember({"a": "1"}, {"a": "2", "b": "1"}, path=path)
    record.remember({"a": "2", "b": "1"}, {"a": "3", "b": "1", "c": "1"}, {"b"}, path=path)
    assert record.load(path) == {
        "packages": {"a": "1", "b": None, "c": None},
        "holds": ["b"],
        "sources": {},
    }


def test_a_package_that_is_as_it_was_is_forgotten(tmp_path: Path) -> None:
    path = str(tmp_path / "packages.json")
    record.remember({"a": "1"}, {"a": "2", "b": "1"}, {"b"}, path=path)
    record.remember({"a": "2", "b": "1"}, {"a": "1"}, path=path)
    assert not Path(path).exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"packages": 3}'])
def test_a_damaged_record_is_not_written_over(tmp_path: Path, text: str) -> None:
    path = tmp_path / "packages.json"
    path.write_text(text)
    with pytest.raises(record.DamagedRecordError, match=r"packages\.json"):
        record.remember({}, {"a": "1"}, path=str(path))
    assert path.read_text() == text


def test_what_is_taken_back_is_forgotten_and_an_empty_record_goes(tmp_path: Path) -> None:
    path = tmp_path / "packages.json"
    record.remember({}, {"a": "1", "b": "1"}, {"a"}, path=str(path))
    record.remember_sources({"/etc/apt/x": "text"}, path=str(path))
    record.forget({"b": "1"}, {"a": None}, ["a"], path=str(path))
    assert record.load(str(path))["packages"] == {"b": None} and record.load(str(path))["holds"] == []
    record.forget({}, {"b": None}, [], path=str(path))
    record.forget_sources(["/etc/apt/x"], path=str(path))
    assert not path.exists()


def test_a_package_that_is_still_there_is_not_forgotten(tmp_path: Path) -> None:
    path = str(tmp_path / "packages.json")
    record.remember({}, {"a": "1"}, path=path)
    record.forget({"a": "1"}, {"a": None}, [], path=path)
    assert record.load(path)["packages"] == {"a": None}
