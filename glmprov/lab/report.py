"""What `lab status` says: each node's state, and what is real and what is simulated."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from glmprov.lab import fleet as fleets
from glmprov.lab import processes
from glmprov.lab.fleet import Fleet
from glmprov.lab.node import Node

REAL = (
    "systemd as PID 1, journal, sshd, sudo, apt and dpkg, PAM, the network stack, iptables, "
    "the distribution's Docker Engine and its overlay2 storage"
)
SIMULATED = (
    "GPUs and NVML, nvidia-smi and the other NVIDIA programs and packages, sockets, NUMA, PCI and CPU topology, "
    "kernel modules and their parameters, the kernel command line, GRUB, Xid entries, sysctls of vm and kernel"
)
NOT_THERE = (
    "a kernel of the node's own (it is this machine's, with its clock and uptime), "
    "resource limits of units and containers, a way out to the internet"
)
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class NodeStatus:
    """One node, now. state is systemd's word, or off, unreachable, or dead (its supervisor is gone)."""

    name: str
    profile: str
    address: str
    ssh_port: int
    state: str
    boots: int
    up_seconds: int


@dataclass(frozen=True)
class FleetStatus:
    """A fleet, now. services are the fleet's own processes that live."""

    fleet: str
    inventory: str
    nodes: tuple[NodeStatus, ...]
    services: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {**asdict(self), "real": REAL, "simulated": SIMULATED, "not_there": NOT_THERE}

    def as_text(self) -> str:
        """Return it for a person."""
        rows = [("NODE", "PROFILE", "ADDRESS", "STATE", "UP", "BOOTS")]
        for node in self.nodes:
            port = "" if node.ssh_port == 22 else f":{node.ssh_port}"
            up = f"{node.up_seconds // 60} min" if node.up_seconds >= 60 else f"{node.up_seconds} s"
            rows.append((node.name, node.profile, node.address + port, node.state, up, str(node.boots)))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        for role in ("packages", "forwarder"):
            if role not in self.services:
                lines.append(f"The fleet's {role} process is gone: glmprov lab up --fresh starts over.")
        lines += ["", f"inventory  {self.inventory}", f"real       {REAL}", f"simulated  {SIMULATED}"]
        return "\n".join([*lines, f"not there  {NOT_THERE}"])


def look(fleet: str) -> FleetStatus:
    """Ask every node of a fleet for its state. Raise LabError if the fleet isn't up."""
    found = fleets.load(fleet)
    roles = {process.role for process in processes.running(found.place)}
    with ThreadPoolExecutor(len(found.nodes)) as pool:
        nodes = tuple(pool.map(lambda node: _look_at(found, node, roles), found.nodes))
    return FleetStatus(fleet, str(found.inventory), nodes, tuple(sorted(roles)))


def _look_at(fleet: Fleet, node: Node, roles: set[str]) -> NodeStatus:
    if f"node:{node.name}" not in roles:
        state = "dead"
    elif fleet.is_off(node):
        state = "off"
    else:
        state = node.ask(fleet.place, "systemctl is-system-running", _PATIENCE_SECONDS) or "unreachable"
    boots = node.boots(fleet.place)
    up_seconds = int(time.time()) - boots[-1] if boots and state not in ("dead", "off") else 0
    return NodeStatus(node.name, node.profile, node.address, node.ssh_port, state, len(boots), up_seconds)
