"""inotify instances, of which each user has few: systemd in a node takes several, and without one it ends at once."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
_LINK = "anon_inode:inotify"
_SPARE = 8
"""With fewer left, a node's boot may fail: systemd, its journal, udev and D-Bus take some each."""


def shortage(proc: Path = Path("/proc"), limit_file: Path = LIMIT) -> tuple[str, str] | None:
    """Return cause and remedy if the instances of this user are used up, or nearly; None if they aren't."""
    limit = int(limit_file.read_text())
    used = sum(1 for _ in _instances(proc))
    if used + _SPARE <= limit and _one_more():
        return None
    return (
        f"inotify instances are used up, or nearly: user {os.geteuid()} holds about {used} of {limit} "
        "(fs.inotify.max_user_instances), and systemd in a node needs some",
        "Take down fleets that nobody needs (glmprov lab down --fleet NAME), or raise the limit: "
        f"sysctl -w fs.inotify.max_user_instances={max(1024, 4 * limit)}",
    )


def _instances(proc: Path) -> Iterator[Path]:
    """Yield what the processes of this user hold open of them. One that several inherited counts for each."""
    for process in proc.glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if process.stat().st_uid != os.geteuid():
                continue
            for descriptor in (process / "fd").iterdir():
                with suppress(OSError):
                    if os.readlink(descriptor) == _LINK:  # noqa: PTH115  (no path: what the kernel calls it)
                        yield descriptor


def _one_more() -> bool:
    """Say whether one can be made."""
    made: int = ctypes.CDLL(None).inotify_init()
    if made < 0:
        return False
    os.close(made)
    return True
