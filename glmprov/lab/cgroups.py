"""Control groups (v2) of the fleet's nodes. Killing a group kills a node for good."""

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
        "cgroup v2 is not mounted", place="/proc/mounts", next_step="mount -t cgroup2 cgroup2 /sys/fs/cgroup"
    )


@dataclass(frozen=True)
class Group:
    """A control group by its path below the root of cgroup v2."""

    path: str

    def make(self) -> None:
        """Make the group, if it isn't there."""
        (tree() / self.path).mkdir(parents=True, exist_ok=True)

    def enter(self) -> None:
        """Move the calling process into the group."""
        (tree() / self.path / "cgroup.procs").write_text(str(os.getpid()))

    def kill(self) -> None:
        """Kill every process in the group and below it, and wait until they are gone."""
        top = tree() / self.path
        if not top.exists():
            return
        (top / "cgroup.kill").write_text("1")
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while "populated 1" in (top / "cgroup.events").read_text():
            if time.monotonic() > deadline:
                raise LabError("processes of a node can't be killed", place=str(top))
            time.sleep(0.02)

    def remove(self) -> None:
        """Remove the empty group with everything below it, and parents that it leaves empty."""
        top = tree() / self.path
        for directory in _deepest_first(top):
            with suppress(OSError):
                directory.rmdir()
        for parent in top.relative_to(tree()).parents[:-1]:
            with suppress(OSError):
                (tree() / parent).rmdir()


def _deepest_first(top: Path) -> Iterator[Path]:
    if top.is_dir():
        for below in top.iterdir():
            if below.is_dir():
                yield from _deepest_first(below)
        yield top
