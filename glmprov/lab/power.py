"""The nodes' power switches."""

from __future__ import annotations

import time

from glmprov.errors import LabError
from glmprov.lab import fleet as fleets
from glmprov.lab import processes
from glmprov.lab.supervisor import POWER_CUT, REBOOT

_SHUTDOWN_PATIENCE_SECONDS = 120.0


def reboot(fleet: str, name: str, hard: bool) -> str:
    """Boot a node again, by its operating system or by a power cut, and wait. Return a line that says how it went."""
    found = fleets.load(fleet)
    node = found.node(name)
    supervisor = processes.find(found.place, f"node:{name}")
    if supervisor is None:
        raise LabError(
            f"the supervisor of {name} is gone", next_step=f"glmprov lab up --fresh --fleet {fleet} starts over."
        )
    begun = time.monotonic()
    before = len(node.boots(found.place))
    supervisor.send(POWER_CUT if hard else REBOOT, found.place)
    while len(node.boots(found.place)) == before:
        if time.monotonic() - begun > _SHUTDOWN_PATIENCE_SECONDS:
            raise LabError(f"{name} does not shut down", next_step=f"glmprov lab reboot --hard {name}")
        time.sleep(0.05)
    if found.is_unplugged(node):
        return f"{name} boots, with a dead network link"
    state = fleets.wait_until_up(found, node)
    return f"{name} is {state} after {time.monotonic() - begun:.1f} s"
