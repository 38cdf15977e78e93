"""The commit of an inventory, in real repositories."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from glmprov.inventory.commit import commits


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=op", "-c", "user.email=op@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", "-C", str(folder), *identity, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """An inventory that is committed, with variables beside it."""
    path = tmp_path / "rigs/rigs.ini"
    (path.parent / "host_vars").mkdir(parents=True)
    path.write_text("rig-1\n")
    (path.parent / "host_vars/rig-1.yml").write_text("gpu_driver_branch: 580\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "Begin")
    return path


def test_a_committed_inventory_has_its_commit(inventory: Path) -> None:
    (found,) = commits([inventory])
    assert found.revision == git(inventory.parent, "rev-parse", "HEAD")
    assert Path(found.repository) == inventory.parents[1].resolve()
    assert not found.dirty


@pytest.mark.parametrize("name", ["rigs.ini", "host_vars/rig-1.yml", "group_vars/all.yml"])
def test_changes_that_are_not_committed_make_it_dirty(inventory: Path, name: str) -> None:
    path = inventory.parent / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("# else\n")
    assert commits([inventory])[0].dirty


def test_a_plan_beside_the_inventory_does_not(inventory: Path) -> None:
    (inventory.parent / "plan.json").write_text("{}")
    assert not commits([inventory])[0].dirty
    assert commits([inventory.parent])[0].dirty, "in a folder that is the inventory, every file counts"


def test_inventories_of_one_repository_have_one_commit(inventory: Path) -> None:
    assert len(commits([inventory, inventory.parent, Path("a,b,")])) == 1


def test_outside_a_repository_and_before_the_first_commit_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "rigs.ini").write_text("rig-1\n")
    assert commits([tmp_path / "rigs.ini"]) == ()
    git(tmp_path, "init", "-q")
    assert commits([tmp_path / "rigs.ini"]) == ()


def test_without_git_there_is_none(inventory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert commits([inventory]) == ()
    monkeypatch.undo()
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert commits([inventory]), "a hook's Git directory is not the inventory's"
