"""Reboot a host and wait until it is back."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from glmprov.errors import UnreachableError
from glmprov.inventory import Host
from glmprov.remote import ConnectOptions, connect, interruption

_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_REBOOT_SECONDS = 900.0
"""A server with 1.5 TB of memory and eight cards takes up to ten minutes through its firmware."""
_ASK_AGAIN_SECONDS = 1.0


def reboot(host: Host, connection: ConnectOptions, said: Callable[[str, str], None]) -> None:
    """Reboot a host and wait until it has booted anew. Raise UnreachableError if it doesn't come back."""
    with connect(host, connection) as channel:
        before = channel.run(["cat", _BOOT_ID]).stdout.strip()
        said(host.name, "rebooting")
        # The answer may be cut off by the reboot itself; whether it came about shows below.
        with suppress(UnreachableError):
            channel.run(["systemctl", "--no-block", "reboot"], become=True)
    deadline = time.monotonic() + _REBOOT_SECONDS
    while time.monotonic() < deadline:
        if _booted_anew(host, connection, before):
            said(host.name, "is back")
            return
        # The host itself can't tell us when it is up: asking is the only way.
        interruption.wait(_ASK_AGAIN_SECONDS)
    raise UnreachableError(
        f"did not come back within {_REBOOT_SECONDS:.0f} s of its reboot",
        host=host.name,
        next_step="look at its console; then run the same command again",
    )


def _booted_anew(host: Host, connection: ConnectOptions, before: bytes) -> bool:
    try:
        with connect(host, connection) as channel:
            if channel.run(["cat", _BOOT_ID], deadline_seconds=10).stdout.strip() == before:
                return False
            # Exit code aside: a degraded host has finished booting too.
            channel.run(["systemctl", "is-system-running", "--wait"], deadline_seconds=300)
            return True
    except UnreachableError:
        return False
