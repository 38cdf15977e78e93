"""What a killed run left on the controller."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from glmprov.apply import left_behind
from glmprov.errors import ApplyError

NOBODY = 2**22 + 1
"""A pid that no process has: Linux gives them out below 2^22."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the killed run left, out of the way of runs that are at work on this machine."""
    path = tmp_path / f"{left_behind.PREFIX}{NOBODY}-test"
    path.mkdir()
    return path


def test_a_folder_of_a_killed_run_is_removed_and_one_of_a_living_run_is_not(folder: Path) -> None:
    living = folder.parent / f"{left_behind.PREFIX}{os.getpid()}-test"
    living.mkdir()
    left_behind.clear(print, where=folder.parent)
    assert not folder.exists() and living.exists()


def test_an_ansible_that_outlived_its_controller_is_waited_for(folder: Path) -> None:
    code = "print(flush=True); input()"  # /proc shows a process without arguments while it is being started
    argv = [sys.executable, "-c", code, "ansible-playbook", "-i", f"{folder}/inventory/hosts.yml"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as ansible:
        assert ansible.stdout and ansible.stdout.readline()
        with pytest.raises(ApplyError) as caught:
            left_behind.clear(print, patience_seconds=0, where=folder.parent)
        assert str(ansible.pid) in caught.value.message and folder.exists()

        said: list[str] = []

        def end_it(text: str) -> None:
            said.append(text)
            ansible.communicate(b"\n")

        left_behind.clear(end_it, where=folder.parent)
    assert len(said) == 1 and str(ansible.pid) in said[0] and not folder.exists()
