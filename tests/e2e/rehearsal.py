"""Fleets for tests: each has a state directory of its own, so a demo on the machine is left alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LAB = (sys.executable, "-m", "glmprov", "lab")
PROFILES = ("turin-8x-server", "genoa-4x-workstation")
_QUICK_KEYS = "KexAlgorithms=curve25519-sha256"
"""OpenSSH's own choice resists quantum computers, for most of what a thousand short commands cost."""


@dataclass(frozen=True)
class Node:
    """A node of a test's fleet."""

    name: str
    profile: str
    address: str
    ssh_port: int
    ssh_config: Path

    def ssh(self, command: str, *, user: str = "root", check: bool = True) -> str:
        """Run a shell command on the node and return what it printed; with check, fail if it failed."""
        done = self.try_ssh(command, user=user)
        assert not check or done.returncode == 0, f"{self.name}: {command}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def try_ssh(self, command: str, *, user: str = "root") -> subprocess.CompletedProcess[str]:
        """Run a shell command on the node, whatever comes of it."""
        argv = [
            "ssh",
            "-F",
            self.ssh_config,
            "-l",
            user,
            "-o",
            "BatchMode=yes",
            "-o",
            "ConnectTimeout=5",
            "-o",
            _QUICK_KEYS,
            self.name,
        ]
        return subprocess.run([*argv, command], capture_output=True, text=True, timeout=300)

    @property
    def boot_id(self) -> str:
        return self.ssh("cat /proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Fleet:
    """A fleet that is up. environment is what to run glmprov with, so that it sees this fleet only."""

    directory: Path
    inventory: Path
    environment: Mapping[str, str]
    nodes: Mapping[str, Node]

    def lab(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of `glmprov lab` for this fleet."""
        command = [*LAB, *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=600)
        assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        return done

    def fault(self, node: str, kind: str, *arguments: str) -> None:
        self.lab("fault", node, kind, *arguments)

    def reboot(self, node: str, *options: str) -> None:
        self.lab("reboot", *options, node)

    def status(self) -> dict[str, str]:
        """Return the nodes' states by name."""
        answer = json.loads(self.lab("status", "--json").stdout)
        return {node["name"]: node["state"] for node in answer["nodes"]}


def environment(home: Path) -> dict[str, str]:
    """Return an environment whose state is below home. Caches are shared: an image takes a minute."""
    return {**os.environ, "XDG_STATE_HOME": str(home / "state"), "PYTHONPATH": str(ROOT)}


@contextmanager
def running_fleet(home: Path, *profiles: str) -> Iterator[Fleet]:
    """Bring up a fleet of these profiles, and take it down at the end."""
    inventory = home / "lab.ini"
    fleet = Fleet(home / "state/glmprov/lab/lab", inventory, environment(home), {})
    try:
        fleet.lab("up", "--yes", "--inventory-out", str(inventory), *profiles)
        answer = json.loads(fleet.lab("status", "--json").stdout)
        config = Path(answer["ssh_config"])
        known = ("name", "profile", "address", "ssh_port")
        nodes = {one["name"]: Node(*(one[key] for key in known), config) for one in answer["nodes"]}
        yield Fleet(fleet.directory, inventory, fleet.environment, nodes)
    finally:
        fleet.lab("down")
