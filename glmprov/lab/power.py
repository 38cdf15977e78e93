"""The nodes' power switches."""

from __future__ import annotations

import time

from glmprov.errors import LabError
from glmprov.lab import fleet, processes
from glmprov.lab.supervisor import POWER_CUT, REBOOT

_SHUTDOWN_PATIENCE_SECONDS = 120.0


def reboot(name: str, node_name: str, hard: bool) -> str:
    """Boot a node again, by its operating system or by a power cut. Wait, and return how it went."""
    found = fleet.load(name)
    node = found.node(node_name)
    begun = time.monotonic()
    before = len(node.boots(found.place))
    if not processes.send(found.place, processes.supervisor(node.name), POWER_CUT if hard else REBOOT):
        raise LabError(
            "its supervisor is gone", host=node.name, next_step="glmprov lab up --fresh starts over."
        )
    while len(node.boots(found.place)) == before:
        if time.monotonic() - begun > _SHUTDOWN_PATIENCE_SECONDS:
            raise LabError("does not shut down", host=node.name, next_step="Try with --hard.")
        time.sleep(0.05)
    if node.is_unplugged(found.place):
        return f"{node.name} boots with a dead network link"
    state = fleet.wait_until_up(found.place, node)
    return f"{node.name} is {state} ({time.monotonic() - begun:.1f} s)"
