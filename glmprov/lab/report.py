"""What `lab status` says: each node's state, and what is real and what is simulated."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from glmprov.lab import fleet, processes
from glmprov.lab.fleet import Fleet
from glmprov.lab.node import Node

REAL = (
    "systemd as PID 1, journal, sshd, sudo, PAM, apt and dpkg, network stack, iptables, "
    "the distribution's Docker Engine with overlay2, Debian's docker-registry"
)
SIMULATED = (
    "engines (images of vLLM and SGLang hold the engine simulator), the model hub and its weights, "
    "GPUs and NVML, NVIDIA's programs and packages, CPU, NUMA and PCI topology, kernel modules with their "
    "parameters, kernels, their command line and boot loader, Secure Boot, Ubuntu's packages, Xid entries, "
    "sysctls of vm and kernel"
)
NOT_THERE = (
    "a kernel of the node's own (it is this machine's, with its clock and uptime), effective CPU and memory "
    "limits of units and containers, a way out to the internet"
)
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class NodeStatus:
    """One node, now. state is systemd's word, or off, unreachable, or dead (its supervisor is gone)."""

    name: str
    profile: str
    address: str
    ssh_port: int
    ports: tuple[int, ...]
    state: str
    boots: int
    up_seconds: int


@dataclass(frozen=True)
class FleetStatus:
    """A fleet, now. missing are those of its own processes that don't live."""

    fleet: str
    inventory: str
    ssh_config: str
    nodes: tuple[NodeStatus, ...]
    missing: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {**asdict(self), "real": REAL, "simulated": SIMULATED, "not_there": NOT_THERE}

    def as_text(self) -> str:
        """Return it for a person."""
        rows = [("NODE", "PROFILE", "ADDRESS", "STATE", "UP", "BOOTS")]
        for node in self.nodes:
            address = node.address if node.ssh_port == 22 else f"{node.address}:{node.ssh_port}"
            up = f"{node.up_seconds // 60} min" if node.up_seconds >= 60 else f"{node.up_seconds} s"
            rows.append((node.name, node.profile, address, node.state, up, str(node.boots)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        if self.missing:
            lines += ["", f"Gone: {', '.join(self.missing)}. `glmprov lab up` starts over."]
        about = {"inventory": self.inventory, "ssh": f"ssh -F {self.ssh_config} {self.nodes[0].name}"}
        about |= {"real": REAL, "simulated": SIMULATED, "not there": NOT_THERE}
        return "\n".join([*lines, "", *(f"{title:<10} {text}" for title, text in about.items())])


def look(name: str) -> FleetStatus:
    """Ask every node of a fleet for its state. Raise LabError if the fleet isn't up."""
    found = fleet.load(name)
    with ThreadPoolExecutor(len(found.nodes)) as pool:
        nodes = tuple(pool.map(lambda node: _look_at(found, node), found.nodes))
    missing = tuple(found.missing_processes())
    return FleetStatus(name, str(found.inventory), str(found.place.ssh_config), nodes, missing)


def _look_at(found: Fleet, node: Node) -> NodeStatus:
    if processes.find(found.place, processes.supervisor(node.name)) is None:
        state = "dead"
    elif node.is_off(found.place):
        state = "off"
    else:
        state = node.ask(found.place, "systemctl is-system-running", _PATIENCE_SECONDS) or "unreachable"
    boots = node.boots(found.place)
    up_seconds = int(time.time()) - boots[-1] if boots and state not in ("dead", "off") else 0
    ports = (node.address, node.ssh_port, node.ports)
    return NodeStatus(node.name, node.profile, *ports, state, len(boots), up_seconds)
