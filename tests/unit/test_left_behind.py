"""What a killed run left on the controller."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from glmprov.apply import left_behind
from glmprov.errors import ApplyError


@pytest.fixture
def dead() -> int:
    """The pid of a process that has ended."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    return ended.pid


@pytest.fixture
def folder(dead: int, tmp_path: Path) -> Path:
    """What the killed run left, out of the way of runs that are at work on this machine."""
    path = tmp_path / f"{left_behind.PREFIX}{dead}-test"
    path.mkdir()
    return path


def test_a_folder_of_a_killed_run_is_removed_and_one_of_a_living_run_is_not(folder: Path) -> None:
    living = folder.parent / f"{left_behind.PREFIX}{os.getpid()}-test"
    living.mkdir()
    left_behind.clear(print, where=folder.parent)
    assert not folder.exists() and living.exists()


def test_an_ansible_that_outlived_its_controller_is_waited_for(folder: Path) -> None:
    argv = [sys.executable, "-c", "input()", "ansible-playbook", "-i", f"{folder}/inventory/hosts.yml"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as ansible:
        assert ansible.stdin
        with pytest.raises(ApplyError) as caught:
            left_behind.clear(print, patience_seconds=0, where=folder.parent)
        assert str(ansible.pid) in caught.value.message and folder.exists()

        said: list[str] = []

        def end_it(text: str) -> None:
            said.append(text)
            ansible.communicate(b"\n")

        left_behind.clear(end_it, where=folder.parent)
    assert len(said) == 1 and str(ansible.pid) in said[0] and not folder.exists()
