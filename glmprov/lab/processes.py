"""The fleet's own processes: the package server, the forwarder, and a supervisor for each node.

Each lives in a control group of its own below the fleet's, which is how it is found again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import glmprov
from glmprov.errors import LabError
from glmprov.lab.cgroups import Group
from glmprov.lab.machine import SEARCH
from glmprov.lab.places import Place

PACKAGES = "packages"
FORWARDER = "forwarder"


def supervisor(node: str) -> str:
    """Return the role of a node's supervisor."""
    return f"supervisor-{node}"


def start(place: Place, role: str, module: str, *arguments: str, log: Path) -> str:
    """Start `python -m module` for the fleet, detached from the terminal. Return the first line it prints.

    That line says that it is ready. Raise LabError, with the end of its log, if it ends before.
    """
    group = Group(f"{place.group}/{role}")
    group.make()
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            env={**os.environ, "PATH": SEARCH, "PYTHONPATH": str(Path(glmprov.__file__).parents[1])},
            cwd="/",
            start_new_session=True,
            preexec_fn=group.enter,
            text=True,
        )
    assert process.stdout is not None  # noqa: S101  (a pipe was asked for)
    with process.stdout:
        line = process.stdout.readline()
    if not line:
        process.wait()
        raise LabError(f"{role} ended before it was ready: {last_lines(log, 1)}")
    return line.strip()


def say_ready(line: str = "ready") -> None:
    """Print the line that start() waits for, and let go of the pipe to it."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
    os.dup2(2, 1)


def find(place: Place, role: str) -> int | None:
    """Return the PID of the process of that role, None if it doesn't live."""
    return Group(f"{place.group}/{role}").leader()


def send(place: Place, role: str, what: int) -> bool:
    """Send a signal to the process of that role. Return False if it doesn't live."""
    pid = find(place, role)
    if pid is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, what)
        return True
    return False


def last_lines(log: Path, count: int) -> str:
    """Return the end of a log, for a message."""
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return "\n".join(lines[-count:]) or "it said nothing"
