"""A fleet that is up: its nodes, its record on disk, and waiting for a node."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from glmprov.errors import LabError
from glmprov.lab import inotify, inventory, machine, processes
from glmprov.lab.node import Node
from glmprov.lab.places import Place, place

_BOOT_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Fleet:
    """Nodes with a package server and a forwarder. inventory is what `up` wrote, `down` removes."""

    place: Place
    nodes: tuple[Node, ...]
    packages: Path
    inventory: Path

    def node(self, name: str) -> Node:
        """Return the node of that name. Raise LabError, naming those that there are."""
        for one in self.nodes:
            if one.name == name:
                return one
        names = ", ".join(one.name for one in self.nodes)
        raise LabError(
            f"no node '{name}' in the fleet '{self.place.fleet}'", next_step=f"There are: {names}."
        )

    def missing_processes(self) -> list[str]:
        """Return the roles of the fleet's own processes that don't live."""
        roles = [
            processes.PACKAGES,
            processes.FORWARDER,
            *(processes.supervisor(one.name) for one in self.nodes),
        ]
        return [role for role in roles if processes.find(self.place, role) is None]

    def with_inventory(self, file: Path) -> Fleet:
        """Write the fleet's inventory there, record it, and remove the one that was elsewhere."""
        if file != self.inventory:
            inventory.remove(self.inventory, self.place)
        inventory.write(file, self.place, self.nodes, self.packages)
        fleet = replace(self, inventory=file)
        nodes = [asdict(one) for one in fleet.nodes]
        record = {"nodes": nodes, "packages": str(self.packages), "inventory": str(file)}
        self.place.state_file.write_text(json.dumps(record, indent=1) + "\n")
        return fleet


def load(name: str) -> Fleet:
    """Return the fleet of that name. Raise LabError if it isn't up."""
    machine.require_root()
    where = place(name)
    option = "" if name == "lab" else f" --fleet {name}"
    try:
        record = json.loads(where.state_file.read_text())
    except FileNotFoundError:
        raise LabError(f"the fleet '{name}' is not up", next_step=f"glmprov lab up{option}") from None
    except ValueError:
        raise LabError(
            "the fleet's record is broken", place=str(where.state_file), next_step=f"glmprov lab down{option}"
        ) from None
    nodes = tuple(Node(**{**one, "ports": tuple(one["ports"])}) for one in record["nodes"])
    return Fleet(where, nodes, Path(record["packages"]), Path(record["inventory"]))


def name_nodes(profiles: Sequence[str]) -> tuple[Node, ...]:
    """Return nodes with short names: the first two words of the profile, numbered where they repeat."""
    stems = ["-".join(profile.split("-")[:2]) for profile in profiles]
    nodes = []
    for index, (stem, profile) in enumerate(zip(stems, profiles, strict=True)):
        name = f"{stem}-{stems[: index + 1].count(stem)}" if stems.count(stem) > 1 else stem
        nodes.append(Node(name, profile, index + 1))
    return tuple(nodes)


def wait_until_up(place: Place, node: Node) -> str:
    """Wait until a node answers by SSH and has finished its boot. Return systemd's word for its state."""
    deadline = time.monotonic() + _BOOT_PATIENCE_SECONDS
    while (left := deadline - time.monotonic()) > 0 and processes.find(
        place, processes.supervisor(node.name)
    ):
        if _greets(node) and (state := node.ask(place, "systemctl is-system-running --wait", left)):
            return state
        time.sleep(0.1)
    logs = [place.node(node.name) / name for name in ("supervisor.log", "console.log")]
    said = "\n".join(processes.last_lines(log, 5) for log in logs)
    cause, remedy = inotify.shortage() or (None, None)
    raise LabError(
        "\n".join(filter(None, ("did not come up:", said, cause))), host=node.name, next_step=remedy
    )


def _greets(node: Node) -> bool:
    try:
        with socket.create_connection((node.address, node.ssh_port), timeout=3) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
