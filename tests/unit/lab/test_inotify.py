"""A node that doesn't come up because inotify instances are used up: cause and remedy are said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from glmprov.lab.inotify import shortage


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """Three processes with four instances each, and other descriptors."""
    for pid in ("7", "8", "9"):
        folder = tmp_path / "proc" / pid / "fd"
        folder.mkdir(parents=True)
        for number in range(4):
            (folder / str(number)).symlink_to("anon_inode:inotify")
        (folder / "9").symlink_to("anon_inode:[eventpoll]")
    (tmp_path / "proc/uptime").write_text("1")
    return tmp_path / "proc"


def limit(tmp_path: Path, number: int) -> Path:
    file = tmp_path / "max_user_instances"
    file.write_text(f"{number}\n")
    return file


def test_enough_are_left(proc: Path, tmp_path: Path) -> None:
    assert shortage(proc, limit(tmp_path, 100)) is None


def test_nearly_used_up_names_the_numbers_and_the_setting(proc: Path, tmp_path: Path) -> None:
    found = shortage(proc, limit(tmp_path, 16))
    assert found is not None
    cause, remedy = found
    assert "about 12 of 16" in cause
    assert "sysctl -w fs.inotify.max_user_instances=1024" in remedy


def test_the_kernel_has_the_last_word_where_not_all_holders_are_seen(tmp_path: Path) -> None:
    """Those of root in another container count too and aren't in our /proc. Tried in a user namespace of its own."""
    ask = "from pathlib import Path; from glmprov.lab.inotify import *; print(shortage(Path(sys.argv[1])))"
    allow = "echo {} > /proc/sys/user/max_inotify_instances"
    command = f"{allow} && exec {sys.executable} -c 'import sys; {ask}' {tmp_path}"
    said = [
        subprocess.run(
            ["unshare", "--user", "--map-root-user", "sh", "-c", command.format(allowed)],
            capture_output=True,
            text=True,
            check=False,
        )
        for allowed in (0, 8)
    ]
    if any(each.returncode for each in said):
        pytest.skip(f"no user namespace here: {said[0].stderr.strip()}")
    assert "fs.inotify.max_user_instances" in said[0].stdout
    assert said[1].stdout.strip() == "None"
