"""One node of a fleet: what its directory holds before it first boots, and how it is asked for its state."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from glmprov.lab import hardware_tree, network, profiles
from glmprov.lab.authority import FILES_NAME, HUB_NAME, REGISTRY_NAME, SERVER_NAME
from glmprov.lab.machine import run
from glmprov.lab.places import Place
from glmprov.lab.supervisor import BOOTS_FILE, OFF_FILE, UNPLUGGED_FILE

_RECORD = "node.json"
_HOST_KEY = "upper/etc/ssh/ssh_host_ed25519_key"
_KEYRING = "usr/share/keyrings/glmprov-lab.asc"


@dataclass(frozen=True)
class Node:
    """A node as the fleet's record knows it. address and ports are this machine's, number is the fleet's."""

    name: str
    profile: str
    number: int
    address: str = ""
    ssh_port: int = 22
    ports: tuple[int, ...] = ()

    def ssh(self, place: Place, user: str, *options: str) -> list[str]:
        """Return the command that logs in on the node, with strict checking of its pinned key."""
        return ["ssh", "-F", str(place.ssh_config), "-l", user, *options, self.name]

    def ask(self, place: Place, command: str, patience_seconds: float) -> str | None:
        """Return what a command printed on the node, whatever its exit code; None if there is no answer."""
        argv = self.ssh(place, "root", "-o", "BatchMode=yes")
        try:
            done = subprocess.run([*argv, command], capture_output=True, text=True, timeout=patience_seconds)
        except subprocess.TimeoutExpired:
            return None
        return None if done.returncode == 255 else done.stdout.strip()

    def boots(self, place: Place) -> list[int]:
        """Return when the node was booted, in seconds since 1970."""
        file = place.node(self.name) / BOOTS_FILE
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def shared(self, place: Place) -> tuple[Path, ...]:
        """Return the folders of this machine that the node can read."""
        return tuple(Path(folder) for folder in self._record(place).get("shared", []))

    def as_shipped(self, place: Place) -> bool:
        """Tell whether its packages are as Debian packs them, and its disk is written for good."""
        return self._record(place).get("as_shipped") is True

    def _record(self, place: Place) -> dict[str, Any]:
        record: dict[str, Any] = json.loads((place.node(self.name) / _RECORD).read_text())
        return record

    def is_unplugged(self, place: Place) -> bool:
        """Tell whether the node's network link was made dead."""
        return (place.node(self.name) / UNPLUGGED_FILE).exists()

    def is_off(self, place: Place) -> bool:
        """Tell whether the node was shut down."""
        return (place.node(self.name) / OFF_FILE).exists()


def create(
    place: Place,
    node: Node,
    layers: Sequence[Path],
    packages: Path,
    nodes: Sequence[Node],
    shared: Sequence[Path] = (),
    as_shipped: bool = False,
) -> None:
    """Write a node's directory: its identity over the shared image, its hardware, its empty disks.

    layers are the image's files, the uppermost first; shared are folders of this machine that it may read.
    """
    directory = place.node(node.name)
    for name in (
        *(f"lower-{number}" for number in range(len(layers))),
        "upper",
        "work",
        "root",
        "docker",
        "containerd",
        "hardware",
    ):
        (directory / name).mkdir(parents=True)
    files = [str(layer) for layer in layers]
    record = {**asdict(node), "layers": files, "group": f"{place.group}/node-{node.name}"}
    record |= {"shared": [str(folder) for folder in shared], "as_shipped": as_shipped}
    (directory / _RECORD).write_text(json.dumps(record, indent=1) + "\n")
    for name, content in _identity(place, node, packages, nodes).items():
        file = directory / "upper" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", node.name, "-f", directory / _HOST_KEY])
    hardware_tree.write(node.profile, directory / "hardware", owner=node.name)


def pinned_key(place: Place, node: Node) -> str:
    """Return the line of known_hosts for a node that was created."""
    kind, key, *_ = (place.node(node.name) / f"{_HOST_KEY}.pub").read_text().split()
    name = node.address if node.ssh_port == 22 else f"[{node.address}]:{node.ssh_port}"
    return f"{name} {kind} {key}\n"


def ssh_config(place: Place, nodes: Sequence[Node]) -> str:
    """Return a configuration with which `ssh` knows the nodes by name."""
    entries = [f"Host {one.name}\n  HostName {one.address}\n  Port {one.ssh_port}\n" for one in nodes]
    common = {
        "User": "ops",
        "IdentityFile": f'"{place.ssh_key}"',
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": f'"{place.known_hosts}"',
        "StrictHostKeyChecking": "yes",
    }
    return "".join([*entries, "Host *\n", *(f"  {name} {value}\n" for name, value in common.items())])


def distribution(node: Node) -> str:
    """Return what the node calls itself: debian or ubuntu. The archive's folder has the same name."""
    return profiles.load(node.profile).distribution


def _identity(place: Place, node: Node, packages: Path, nodes: Sequence[Node]) -> dict[str, str]:
    hosts = ["127.0.0.1 localhost", f"{network.GATEWAY} {SERVER_NAME}"]
    hosts += [f"{network.REGISTRY} {REGISTRY_NAME}", f"{network.HUB} {HUB_NAME} {FILES_NAME}"]
    hosts += [f"{network.address(one.number)} {one.name}" for one in nodes]
    return {
        "etc/hostname": node.name + "\n",
        "etc/hosts": "\n".join(hosts) + "\n",
        "etc/machine-id": uuid.uuid4().hex + "\n",
        "etc/ssh/authorized_keys": place.ssh_key.with_suffix(".pub").read_text(),
        _KEYRING: (packages / "lab.asc").read_text(),
        "etc/apt/sources.list": f"deb [signed-by=/{_KEYRING}] https://{SERVER_NAME}/{distribution(node)} /\n",
    }
