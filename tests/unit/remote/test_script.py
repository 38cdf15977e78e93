"""The line for the host's shell, where the host has no `timeout`: the shell's own watchdog."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from glmprov.remote.script import COMMAND_LINE, Marks, script

MARKS = Marks("0123456789abcdef")


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A PATH with next to nothing on it."""
    for name in ("sh", "sleep", "cat"):
        program = shutil.which(name)
        assert program
        (tmp_path / name).symlink_to(program)
    return tmp_path


def run(
    path: Path, argv: list[str], stdin: bytes, deadline_seconds: float
) -> subprocess.CompletedProcess[bytes]:
    line = script(argv, MARKS, deadline_seconds)
    return subprocess.run(
        ["/bin/sh", "-c", COMMAND_LINE], input=line + stdin, capture_output=True, env={"PATH": str(path)}
    )


def test_input_outputs_and_status_pass(bare_path: Path) -> None:
    ran = run(bare_path, ["sh", "-c", "cat; echo two words >&2; exit 7"], b"in", 60)
    assert ran.returncode == 7
    assert ran.stdout == MARKS.ready + b"in"
    assert ran.stderr == MARKS.begun + MARKS.ready + b"two words\n" + MARKS.ended + b"7\n"


def test_the_watchdog_ends_what_takes_too_long(bare_path: Path) -> None:
    begun = time.monotonic()
    ran = run(bare_path, ["sleep", "300"], b"", 0.2)
    assert ran.returncode == 143 and ran.stderr.endswith(MARKS.ended + b"143\n")
    assert time.monotonic() - begun < 60


def test_newlines_in_arguments_stay(bare_path: Path) -> None:
    ran = run(bare_path, ["sh", "-c", 'printf "%s" "$1"', "sh", "a\nb'c"], b"", 60)
    assert ran.stdout == MARKS.ready + b"a\nb'c"
