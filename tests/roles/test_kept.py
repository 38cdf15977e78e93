"""The packages of the driver before: kept from apt's cache or a source, or the upgrade is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.roles.modules import load

packages = load("glmprov_packages")
kept = load("glmprov_kept")
choice = load("glmprov_choice")

OLD = {
    "libcuda1": "580.95.05-1",
    "nvidia-driver-cuda": "580.95.05-1",
    "nvidia-driver-pinning-580": "580-1",
    "nvidia-modprobe": "1:580.95.05-1",
}


class Source:
    """A package source that still has some packages, in place of apt."""

    def __init__(self, *served: str) -> None:
        self.served = served

    def download(self, name: str, version: str, folder: str) -> None:
        if name in self.served:
            (Path(folder) / f"{name}_{version.replace(':', '%3a')}_amd64.deb").write_text("downloaded")


Keeping = Callable[..., Any]


@pytest.fixture
def keeping(tmp_path: Path) -> Keeping:
    """A function that returns the folder of a host whose cache has these packages, and a source that has those."""

    def keeping(cached: dict[str, str], *served: str) -> Any:
        archives = tmp_path / "archives"
        archives.mkdir(exist_ok=True)
        for name, version in cached.items():
            (archives / f"{name}_{version.replace(':', '%3a')}_amd64.deb").write_text("cached")
        return kept.Kept(Source(*served), str(tmp_path / "driver"), str(archives))

    return keeping


def test_what_the_cache_lacks_is_downloaded(keeping: Keeping, tmp_path: Path) -> None:
    folder = keeping({name: OLD[name] for name in ("libcuda1", "nvidia-modprobe")}, *OLD)
    folder.keep(OLD)
    assert folder.record == {"previous": "580.95.05", "packages": OLD, "rolled_back_from": None, "left": {}}
    texts = {Path(path).name.partition("_")[0]: Path(path).read_text() for path in folder.files()}
    assert texts == {
        "libcuda1": "cached",
        "nvidia-driver-cuda": "downloaded",
        "nvidia-driver-pinning-580": "downloaded",
        "nvidia-modprobe": "cached",
    }


def test_without_a_way_back_the_upgrade_is_refused(keeping: Keeping) -> None:
    folder = keeping({}, "libcuda1")
    with pytest.raises(kept.AptError, match=r"(?s)nvidia-driver-cuda 580\.95.*keep_previous: false") as e:
        folder.keep(OLD)
    assert "libcuda1" not in str(e.value)
    assert folder.record == {}


def test_an_upgrade_that_was_cut_off_does_not_mix_two_drivers(keeping: Keeping) -> None:
    folder = keeping(OLD)
    folder.keep(OLD)
    half = {
        "libcuda1": "595.58.03-1",
        "nvidia-driver-cuda": "580.95.05-1",
        "nvidia-driver-pinning-595": "595-1",
        "nvidia-modprobe": "1:580.95.05-1",
    }
    asked = {
        "packages": [],
        "names": (),
        "version": "",
        "branch": "595",
        "set": "^(?!.*pinning)",
        "absent": "",
    }
    folder.keep(kept.to_keep(choice.Wanted({**asked, "family": "."}), half, folder))
    assert folder.record["packages"] == OLD


def test_only_the_previous_and_the_present_driver_are_kept(keeping: Keeping, tmp_path: Path) -> None:
    new = {
        name.replace("580", "595"): version.replace("580.95.05", "595.58.03") for name, version in OLD.items()
    }
    keeping(OLD)
    folder = keeping(new)
    (tmp_path / "driver/570.169").mkdir(parents=True)
    folder.keep(OLD)
    folder.stash(new)
    assert sorted(path.name for path in (tmp_path / "driver").iterdir()) == [
        "580.95.05",
        "595.58.03",
        "kept.json",
    ]


def test_a_file_that_is_gone_is_named(keeping: Keeping, tmp_path: Path) -> None:
    folder = keeping(OLD)
    folder.keep(OLD)
    next((tmp_path / "driver/580.95.05").glob("libcuda1_*")).unlink()
    with pytest.raises(kept.AptError, match="libcuda1 is no longer there"):
        folder.files()


def test_a_rollback_is_remembered_until_the_next_upgrade(keeping: Keeping, tmp_path: Path) -> None:
    folder = keeping(OLD)
    folder.keep(OLD)
    folder.going_back({"libcuda1": "595.58.03-1"})
    folder.going_back({})
    record = json.loads((tmp_path / "driver/kept.json").read_text())
    assert (record["rolled_back_from"], record["left"]) == ("595.58.03", {"libcuda1": "595.58.03-1"})
    folder.keep(OLD)
    assert folder.record["rolled_back_from"] is None


def test_a_record_that_was_edited_by_hand_means_that_nothing_is_kept(
    keeping: Keeping, tmp_path: Path
) -> None:
    (tmp_path / "driver").mkdir()
    (tmp_path / "driver/kept.json").write_text("{previous")
    assert keeping({}).record == {}
