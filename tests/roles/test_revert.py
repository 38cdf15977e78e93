"""Taking back on a host: only what is ours, only as it was written."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glmprov.plan.daemon_keys import CGROUPFS, Key
from tests.roles.modules import load

files = load("revert_files")
packages = load("revert_packages")
recorded = load("revert_recorded")
running = load("revert_running")


def test_only_a_file_that_is_as_we_wrote_it_is_ours(tmp_path: Path) -> None:
    path, digest = tmp_path / "a.conf", hashlib.sha256(b"ours\n").hexdigest()
    path.write_text("ours\n")
    assert files.is_ours(str(path), digest)
    path.write_text("ours\r\n")
    assert not files.is_ours(str(path), digest)
    (tmp_path / "other").write_text("ours\n")
    path.unlink()
    path.symlink_to(tmp_path / "other")
    assert not files.is_ours(str(path), digest), "a link in its place is somebody else's"
    assert not files.is_ours(str(tmp_path / "gone"), digest)


def test_a_package_that_came_since_is_named() -> None:
    steps = "Remv engine-ui [1.0]\nRemv docker.io [20.10] [engine-ui:amd64 ]\nPurg tini [0.19]\nInst x (1)\n"
    assert packages.foreign(steps, ["docker.io", "tini"]) == ["engine-ui"]


VALUES: dict[str, Any] = {
    "gpu_power.limit_watts[GPU-1].effective": 500,
    "gpu_power.limit_watts[GPU-1].declared": None,
    "gpu_power.limit_watts[GPU-2].effective": {"unknown": "NVML hangs"},
    "container_engine.daemon[exec-opts]": ["native.umask=normal"],
    "container_engine.daemon[runtimes.nvidia.path]": None,
    "container_engine.daemon[log-opts]": {"unknown": "broken JSON"},
    "host_tuning.kernel_arguments[iommu].declared": "soft",
    "host_tuning.kernel_arguments[iommu].effective": "soft",
}


def test_only_values_that_were_there_are_put_back() -> None:
    assert running.items(VALUES, "gpu_power.limit_watts", ".effective") == {"GPU-1": 500}


def test_what_is_given_is_sorted_out_for_the_modules_that_do_it() -> None:
    module = SimpleNamespace(
        params={"values": VALUES, "files": {}, "packages": {}, "holds": [], "packages_too": False}
    )
    found = recorded.sorted_out(module)
    assert found["daemon"] == {"exec-opts": ["native.umask=normal"], "runtimes.nvidia.path": None}
    assert found["arguments"] == {"iommu": "soft"}


@pytest.mark.parametrize("too", [True, False])
def test_what_is_not_given_is_what_the_host_recorded(
    too: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = "container_engine.daemon[exec-opts]"
    receipt = {
        "before": {"a.b": 1, options: ["native.umask=normal"]},
        "expected": {
            "container_engine": {
                "daemon": {"exec-opts": ["native.umask=normal", CGROUPFS]},
                "asked_options": [CGROUPFS],
            }
        },
        "files": {"/etc/x": "1", "/etc/apt/keyrings/k": "2", "/etc/docker/daemon.json": "3"},
    }
    (tmp_path / "receipt.json").write_text(json.dumps(receipt))
    record = {"packages": {"docker.io": None}, "holds": ["a"], "sources": {"/etc/apt/keyrings/k": "2"}}
    (tmp_path / "daemon.json").write_text(json.dumps({"exec-opts": [CGROUPFS, "theirs=1"]}))
    monkeypatch.setattr(recorded, "HOME", str(tmp_path))
    monkeypatch.setattr(recorded, "DAEMON_FILE", str(tmp_path / "daemon.json"))
    monkeypatch.setattr(recorded, "load_packages", lambda: record)
    given = dict.fromkeys(("values", "files", "packages", "holds"))
    found = recorded.sorted_out(SimpleNamespace(params={**given, "packages_too": too}))
    assert found["values"] == {"a.b": 1, options: ["theirs=1"]} and found["holds"] == ["a"]
    assert found["packages"] == ({"docker.io": None} if too else {})
    assert found["files"] == ({"/etc/x": "1", "/etc/apt/keyrings/k": "2"} if too else {"/etc/x": "1"})


ITEMS = st.lists(st.sampled_from(["a", "b", "c", "d"]), unique=True)


@given(ITEMS, ITEMS | st.none(), ITEMS | st.none(), ITEMS)
def test_of_a_list_the_role_leaves_what_the_plan_shows(
    now: list[str], was: list[str] | None, before: list[str] | None, asked: list[str]
) -> None:
    assert recorded.without_us(now, was, before, asked) == Key(now, was, before, tuple(asked)).without_us


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"log-opts": {"tags": ["x"]}}'])
def test_a_file_without_the_list_has_nothing_to_sort_out(text: str | None) -> None:
    applied = {
        "daemon": {"log-opts.tags.more": ["x"], "exec-opts": ["y"], "gone": {"was": ["z"], "back": None}}
    }
    before = {f"container_engine.daemon[{path}]": None for path in applied["daemon"]}
    assert recorded.shared_lists({"before": before, "expected": {"container_engine": applied}}, text) == {}
    assert recorded.shared_lists({"before": before, "expected": {"container_engine": None}}, text) == {}
