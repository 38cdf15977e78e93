"""Which process holds a lock, so that another run of the same person on the same machine sees that it is gone."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

_PROC = Path("/proc")


def ourselves() -> dict[str, Any]:
    """Return what names this process for good: pids are reused, so its start belongs to it, and the machine's boot."""
    return {**_place(), "pid": os.getpid(), "started": _started(os.getpid())}


def gone(holder: Mapping[str, Any]) -> bool:
    """Say whether a lock's holder was a process of ours, on this machine, that no longer runs.

    Of other machines, other people and other containers we can't say, so False.
    """
    place = _place()
    if not all(place.values()) or any(holder.get(name) != value for name, value in place.items()):
        return False
    pid, started = holder.get("pid"), holder.get("started")
    return isinstance(pid, int) and bool(started) and _started(pid) != started


def _place() -> dict[str, str]:
    """Return who and where we are: pids mean something only within one boot and one namespace of processes."""
    boot_id = namespace = ""
    with suppress(OSError):
        boot_id = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        namespace = str((_PROC / "self/ns/pid").readlink())
    return {
        "user": getpass.getuser(),
        "controller": socket.gethostname(),
        "boot_id": boot_id,
        "processes": namespace,
    }


def _started(pid: int) -> str:
    """Return when a process started, in clock ticks since boot; "" for none, or one that has ended."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
