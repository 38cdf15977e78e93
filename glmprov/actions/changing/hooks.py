"""Commands of the operator's before and after a host is changed: drain it, silence its alerts, note it in a ticket.

They run here on the controller, by the shell, once a host that is to be changed, with JSON about it on standard
input (see docs/fleet-runs.md). No secret is in it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from glmprov.actions.changing.orders import Orders
from glmprov.errors import HookError, InventoryError
from glmprov.inventory import Host
from glmprov.remote.interruption import interruptible
from glmprov.results.hook import HookCall

VARIABLES = {"before": "glmprov_hook_before", "after": "glmprov_hook_after"}
"""The inventory's names for the hooks of a host, by event."""

_GRACE_SECONDS = 5.0
_SHOWN_LINES = 8


@dataclass(frozen=True)
class Hooks:
    """The commands of one host, "" for none."""

    before: str = ""
    after: str = ""


def hooks_of(host: Host, orders: Orders) -> Hooks:
    """Return a host's hooks: the command line's, else the inventory's. Raise InventoryError if one isn't text."""
    return Hooks(orders.before or _written(host, "before"), orders.after or _written(host, "after"))


def _written(host: Host, event: str) -> str:
    name = VARIABLES[event]
    value = host.variables.get(name) or ""
    if not isinstance(value, str):
        raise InventoryError(f"{name}: wants a command as text, got {value!r}", host=host.name)
    if "{{" in value:
        raise InventoryError(
            f"{name}: holds a template ({{{{ … }}}}), which isn't filled in here",
            host=host.name,
            next_step="the hook finds the host's name in $GLMPROV_HOST, and its facts on standard input",
        )
    return value


def call(command: str, about: HookCall, told: Callable[[HookCall], str], seconds: float) -> None:
    """Run a hook and wait for it; told makes what it reads. Raise HookError if it fails or takes too long."""
    host, place = about.review.host, f"hook {about.event}"
    environment = {**os.environ, "GLMPROV_HOST": host, "GLMPROV_EVENT": about.event}
    # Files and no pipes: what a hook leaves running in the background must not keep us waiting.
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as read:
        read.write(told(about).encode())
        read.seek(0)
        child = subprocess.Popen(
            ["/bin/sh", "-c", command],
            stdin=read,
            stdout=said,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # Ctrl-C comes to us alone, and its whole group can be ended
        )
        try:
            with interruptible(lambda: _signal(child, signal.SIGKILL)):
                status = child.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            _end(child)
            raise HookError(
                f"did not end within {seconds:g} s and was killed: {command}{_words(said)}",
                host=host,
                place=place,
                next_step="mend the command, or give it longer: --hook-timeout",
            ) from None
        if status:
            ending = f"was ended by signal {-status}" if status < 0 else f"ended with {status}"
            raise HookError(
                f"{ending}: {command}{_words(said)}", host=host, place=place, next_step="mend what it says"
            )


def _words(said: IO[bytes]) -> str:
    """Return the last lines that the hook wrote, each on a line of its own."""
    said.seek(0)
    lines = [line.rstrip() for line in said.read().decode(errors="replace").splitlines() if line.strip()]
    return "".join(f"\n{line}" for line in lines[-_SHOWN_LINES:])


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the hook and all that it started: politely, then not."""
    _signal(child, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.wait(timeout=_GRACE_SECONDS)
    _signal(child, signal.SIGKILL)
    child.wait()


def _signal(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, number)
