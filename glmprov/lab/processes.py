"""The fleet's own processes: started detached, marked in their environment, found and ended by that mark.

A mark can't go stale as a PID file can, and it survives a `kill -9` of whoever started them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import glmprov
from glmprov.errors import LabError
from glmprov.lab.places import Place

_FLEET = "GLMPROV_LAB_FLEET"
_ROLE = "GLMPROV_LAB_ROLE"


@dataclass(frozen=True)
class Process:
    """One living process of a fleet. role is "packages", "forwarder" or "node:NAME"."""

    pid: int
    role: str

    def send(self, what: signal.Signals, place: Place) -> None:
        """Send a signal, unless the process is gone or its PID means another one by now."""
        with _opened(self.pid) as descriptor:
            if descriptor is not None and _role_of(self.pid, place) == self.role:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(descriptor, what)


def start(place: Place, role: str, module: str, *arguments: str, log: Path) -> str:
    """Start `python -m module` for the fleet, detached from the terminal. Return the first line that it prints.

    That line says that it is ready. Raise LabError, with the end of its log, if it ends before.
    """
    environment = {
        **os.environ,
        _FLEET: str(place.directory),
        _ROLE: role,
        "PYTHONPATH": str(Path(glmprov.__file__).parents[1]),
        "PATH": os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin",
    }
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            env=environment,
            cwd="/",
            start_new_session=True,
            text=True,
        )
    assert process.stdout is not None  # noqa: S101  (asked for above)
    with process.stdout:
        line = process.stdout.readline()
    if not line:
        process.wait()
        raise LabError(
            f"{role} ended before it was ready: {_last_line(log)}", place=str(log), next_step="Read that file."
        )
    return line.strip()


def say_ready(line: str = "ready") -> None:
    """Print the line that start() waits for, and let go of the pipe to it."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
    os.dup2(2, 1)


def running(place: Place) -> list[Process]:
    """Return the fleet's living processes."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            role = _role_of(int(entry.name), place)
            if role:
                found.append(Process(int(entry.name), role))
    return found


def find(place: Place, role: str) -> Process | None:
    """Return the process of that role, if it lives."""
    return next((process for process in running(place) if process.role == role), None)


def _role_of(pid: int, place: Place) -> str | None:
    try:
        block = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return None
    variables = dict(item.split(b"=", 1) for item in block.split(b"\0") if b"=" in item)
    if variables.get(_FLEET.encode()) != os.fsencode(place.directory):
        return None
    return variables.get(_ROLE.encode(), b"").decode()


@contextmanager
def _opened(pid: int) -> Iterator[int | None]:
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
