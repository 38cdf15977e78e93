"""One node of a fleet: what its directory holds before it first boots, and how it is asked for its state."""

from __future__ import annotations

import importlib.util
import json
import shlex
import subprocess
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from glmprov.lab import network
from glmprov.lab.authority import SERVER_NAME
from glmprov.lab.machine import run
from glmprov.lab.places import Place
from glmprov.lab.supervisor import BOOTS_FILE


@dataclass(frozen=True)
class Node:
    """A node as the fleet's record knows it. address and ports are this machine's, number is the fleet's."""

    name: str
    profile: str
    number: int
    address: str = ""
    ssh_port: int = 22
    ports: tuple[int, ...] = ()

    def ssh(self, place: Place, *options: str, user: str = "root") -> list[str]:
        """Return the command that logs in on the node, with strict checking of its pinned key."""
        return [
            "ssh", "-F", "none", "-p", str(self.ssh_port), "-l", user, "-i", str(place.ssh_key),
            "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes",
            "-o", f"UserKnownHostsFile={shlex.quote(str(place.known_hosts))}", "-o", "LogLevel=ERROR",
            *options, self.address,
        ]  # fmt: skip

    def ask(self, place: Place, command: str, patience_seconds: float) -> str | None:
        """Return what a command printed on the node, whatever its exit code; None if the node can't be reached."""
        argv = self.ssh(place, "-o", f"ConnectTimeout={max(1, int(patience_seconds))}")
        try:
            done = subprocess.run([*argv, command], capture_output=True, text=True, timeout=patience_seconds)
        except subprocess.TimeoutExpired:
            return None
        return None if done.returncode == 255 else done.stdout.strip()

    def boots(self, place: Place) -> list[int]:
        """Return when the node was booted, in seconds since 1970."""
        file = place.node(self.name) / BOOTS_FILE
        return [int(line) for line in file.read_text().split()] if file.exists() else []


def create(place: Place, node: Node, image: Path, packages: Path, neighbors: list[Node]) -> None:
    """Write a node's directory: its identity over the shared image, its hardware, its empty disks."""
    directory = place.node(node.name)
    for name in ("lower", "upper", "work", "root", "docker", "containerd", "hardware"):
        (directory / name).mkdir(parents=True)
    record = {**asdict(node), "image": str(image), "cgroup": f"{place.cgroup}/{node.name}"}
    (directory / "node.json").write_text(json.dumps(record, indent=1) + "\n")
    for name, content in _identity(place, node, packages, neighbors).items():
        file = directory / "upper" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    _make_host_key(directory / "upper/etc/ssh/ssh_host_ed25519_key", node.name)
    _make_hardware(node.profile, directory / "hardware")


def host_key(place: Place, node: Node) -> str:
    """Return the line of known_hosts that pins the node's key."""
    kind, key, *_ = (place.node(node.name) / "upper/etc/ssh/ssh_host_ed25519_key.pub").read_text().split()
    name = node.address if node.ssh_port == 22 else f"[{node.address}]:{node.ssh_port}"
    return f"{name} {kind} {key}\n"


def _identity(place: Place, node: Node, packages: Path, neighbors: list[Node]) -> dict[str, str]:
    hosts = ["127.0.0.1 localhost", f"{network.GATEWAY} {SERVER_NAME}"]
    hosts += [f"{network.address(other.number)} {other.name}" for other in neighbors]
    files = {
        "etc/hostname": node.name + "\n",
        "etc/hosts": "\n".join(hosts) + "\n",
        "etc/machine-id": uuid.uuid4().hex + "\n",
        "etc/ssh/authorized_keys": place.ssh_key.with_suffix(".pub").read_text(),
    }
    if (packages / "lab.asc").exists():
        keyring = "/usr/share/keyrings/glmprov-lab.asc"
        files["usr/share/keyrings/glmprov-lab.asc"] = (packages / "lab.asc").read_text()
        files["etc/apt/sources.list"] = f"deb [signed-by={keyring}] https://{SERVER_NAME}/debian ./\n"
    return files


def _make_host_key(file: Path, name: str) -> None:
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", file])


def _make_hardware(profile: str, directory: Path) -> None:
    if importlib.util.find_spec("glmprov.lab.hardware_tree"):
        from glmprov.lab import hardware_tree  # type: ignore[attr-defined]

        hardware_tree.write(profile, directory)
