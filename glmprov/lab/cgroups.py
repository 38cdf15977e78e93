"""Control groups (v2): who belongs to a fleet, and the way to end all of it at once.

A group can't go stale as a PID file can, and children can't leave it: after a `kill -9` of anything else, it
still knows every process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from glmprov.errors import LabError
from glmprov.lab.machine import run

_STANDARD = Path("/sys/fs/cgroup")
_PATIENCE_SECONDS = 20.0


def mount_only_v2() -> None:
    """In a private mount namespace: put cgroup v2 where systemd looks for it, and nothing else."""
    with suppress(LabError):
        run(["umount", "--recursive", _STANDARD])
    run(["mount", "-t", "cgroup2", "cgroup2", _STANDARD])


def tree() -> Path:
    """Return where this process sees cgroup v2. Raise LabError if nowhere."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(where)
    raise LabError(
        "cgroup v2 is not mounted",
        place="/proc/mounts",
        next_step="mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified",
    )


@dataclass(frozen=True)
class Group:
    """A control group by its path below the root of cgroup v2."""

    path: str

    def make(self) -> None:
        """Make the group, if it isn't there. Raise LabError where this machine doesn't let us."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LabError(
                f"no control group can be made: {error.strerror}",
                place=str(self._directory),
                next_step="Run the lab on the machine itself, or in a privileged container.",
            ) from error

    def enter(self) -> None:
        """Move the calling process into the group."""
        (self._directory / "cgroup.procs").write_text(str(os.getpid()))

    def leader(self) -> int | None:
        """Return the PID of the process that started the others of the group, None if the group is empty."""
        try:
            members = {int(line) for line in (self._directory / "cgroup.procs").read_text().split()}
        except OSError:
            return None
        return next((pid for pid in members if _parent(pid) not in members), None)

    def kill(self) -> None:
        """Kill every process in the group and below it, and wait until all are gone."""
        if not self._directory.exists():
            return
        (self._directory / "cgroup.kill").write_text("1")
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while "populated 1" in (self._directory / "cgroup.events").read_text():
            if time.monotonic() > deadline:
                raise LabError("processes of the fleet can't be killed", place=str(self._directory))
            time.sleep(0.02)

    def remove(self) -> None:
        """Remove the empty group with everything below it, and parents that it leaves empty."""
        top = self._directory
        for directory in (*_deepest_first(top), *top.parents[: len(Path(self.path).parents) - 1]):
            with suppress(OSError):
                directory.rmdir()

    @property
    def _directory(self) -> Path:
        return tree() / self.path


def _deepest_first(top: Path) -> Iterator[Path]:
    if top.is_dir():
        for below in top.iterdir():
            if below.is_dir():
                yield from _deepest_first(below)
        yield top


def _parent(pid: int) -> int | None:
    try:
        # The program's name, in parentheses, may hold anything; state and parent come after it.
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None
