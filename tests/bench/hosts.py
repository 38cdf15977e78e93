"""Hosts to measure against: nodes of a rehearsal fleet, and more addresses for the same nodes.

A node is provisioned once and then stands for ten hosts: SSH servers of its own, each on loopback addresses of their
own, run inside it. Each address is a connection, a login and a probe of its own, with real systemd and Docker behind.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from glmprov.lab.cgroups import Group, tree
from glmprov.lab.fleet import Fleet, load
from glmprov.lab.places import Place

ROOT = Path(__file__).parents[2]
GLMPROV = (sys.executable, "-m", "glmprov")
FLEET = "bench"
PROFILE = "genoa-4x-workstation"
PORT = 2299
MOST_LISTENERS = 16
"""So many addresses one sshd listens on (OpenSSH's MAX_LISTEN_SOCKS)."""

SSHD = """\
HostKey /run/bench/hostkey
AuthorizedKeysFile /run/bench/authorized_keys
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
MaxStartups 200
Port {port}
{listen}
"""


@dataclass(frozen=True)
class Nodes:
    """A fleet that is up."""

    fleet: Fleet
    environment: Mapping[str, str]
    inventory: Path

    @property
    def place(self) -> Place:
        """Where its files lie."""
        return self.fleet.place

    @property
    def group(self) -> Group:
        """The control group of everything that belongs to it."""
        return Group(self.place.group)

    def names(self) -> list[str]:
        """Return the nodes' names."""
        return [node.name for node in self.fleet.nodes]

    def glmprov(self, *arguments: str) -> str:
        """Run glmprov on the fleet and return what it printed; fail unless it exits 0."""
        command = [*GLMPROV, *arguments, "-i", str(self.inventory)]
        done = subprocess.run(command, env=dict(self.environment), cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{shlex.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout

    def ssh(self, name: str, script: str) -> bytes:
        """Run a script as root on a node and return what it printed."""
        argv = [*self.fleet.node(name).ssh(self.place, "root", "-o", "BatchMode=yes"), "sh -s"]
        return subprocess.run(argv, input=script.encode(), stdout=subprocess.PIPE, check=True).stdout

    def everywhere(self, script: str) -> None:
        """Run a script on all nodes at once."""
        argv = [[*node.ssh(self.place, "root", "-o", "BatchMode=yes"), "sh -s"] for node in self.fleet.nodes]
        running = [subprocess.Popen(each, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) for each in argv]
        for each in running:
            each.communicate(script.encode())
            if each.returncode:
                raise RuntimeError(f"{each.args!r} ended with {each.returncode}")


@contextmanager
def nodes(home: Path, environment: Mapping[str, str], count: int) -> Iterator[Nodes]:
    """Give so many bare nodes, in a fleet of their own; take it down at the end."""
    try:
        yield bring_up(home, environment, count)
    finally:
        _lab(environment, "down", "--fleet", FLEET)


def bring_up(home: Path, environment: Mapping[str, str], count: int) -> Nodes:
    """Bring so many bare nodes up, instead of those that are up. What they wait for, hosts wait for."""
    inventory = home / "nodes.ini"
    out = ["--fresh", "--yes", "--as-shipped", "--inventory-out", str(inventory)]
    _lab(environment, "up", "--fleet", FLEET, *out, *[PROFILE] * count)
    os.environ["XDG_STATE_HOME"] = environment["XDG_STATE_HOME"]  # where the lab looks, in this process too
    return Nodes(load(FLEET), environment, inventory)


def _lab(environment: Mapping[str, str], *arguments: str) -> None:
    command = [*GLMPROV, "lab", *arguments]
    done = subprocess.run(command, env=dict(environment), cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"lab {' '.join(arguments)}\n{done.stdout}{done.stderr}")


@dataclass(frozen=True)
class Addresses:
    """Many addresses on loopback, behind each a node."""

    addresses: Sequence[str]
    key: Path
    known_hosts: Path
    inventory: Path


@contextmanager
def addresses(home: Path, up: Nodes, group: Group, count: int) -> Iterator[Addresses]:
    """Give so many addresses, spread over the nodes; their servers run in the control group."""
    home.mkdir()
    for name in ("id", "hostkey"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / name], check=True)
    found = [f"127.1.{number // 250}.{number % 250 + 1}" for number in range(count)]
    kind, key = (home / "hostkey.pub").read_text().split()[:2]
    (home / "known_hosts").write_text("".join(f"[{address}]:{PORT} {kind} {key}\n" for address in found))
    each = -(-count // len(up.fleet.nodes))
    servers: list[subprocess.Popen[bytes]] = []
    try:
        for position, name in enumerate(up.names()):
            servers += _serve(up, name, found[position * each : (position + 1) * each], home, group)
        for address in found:
            _wait_for(address, servers)
        yield Addresses(found, home / "id", home / "known_hosts", _inventory(home, up, found))
    finally:
        for server in servers:
            server.send_signal(signal.SIGTERM)
            server.wait()


def _serve(
    up: Nodes, name: str, listening: Sequence[str], home: Path, group: Group
) -> list[subprocess.Popen[bytes]]:
    """Start SSH servers inside a node, on this machine's loopback."""
    init = (tree() / up.place.group / f"node-{name}/payload/init.scope/cgroup.procs").read_text().split()[0]
    inside = ["nsenter", "-t", init, "--mount", "--uts", "--ipc", "--pid", "--"]
    subprocess.run([*inside, "mkdir", "-p", "/run/bench", "/run/sshd"], check=True)
    files = {
        "hostkey": (home / "hostkey").read_text(),
        "authorized_keys": (home / "id.pub").read_text(),
    }
    chunks = [listening[at : at + MOST_LISTENERS] for at in range(0, len(listening), MOST_LISTENERS)]
    for number, chunk in enumerate(chunks):
        listen = "\n".join(f"ListenAddress {address}" for address in chunk)
        files[f"sshd{number}"] = SSHD.format(port=PORT, listen=listen)
    for file, text in files.items():
        write = [*inside, "sh", "-c", f"umask 077; cat > /run/bench/{file}"]
        subprocess.run(write, input=text.encode(), check=True)
    return [
        subprocess.Popen(
            [*inside, "/usr/sbin/sshd", "-D", "-f", f"/run/bench/sshd{number}"], preexec_fn=group.enter
        )
        for number in range(len(chunks))
    ]


def _wait_for(address: str, servers: Sequence[subprocess.Popen[bytes]]) -> None:
    give_up_at = time.monotonic() + 20
    while True:
        if any(server.poll() is not None for server in servers):
            raise RuntimeError(f"a server ended: is port {PORT} of {address} taken?")
        try:
            socket.create_connection((address, PORT), timeout=1).close()
        except OSError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.02)
        else:
            return


def _inventory(home: Path, up: Nodes, found: Sequence[str]) -> Path:
    """Write the inventory: the nodes' own settings, reached by other ways."""
    settings = [line for line in up.inventory.read_text().splitlines() if "_repository_" in line]
    lines = [
        "[addresses]",
        *(f"host-{number} ansible_host={address}" for number, address in enumerate(found, 1)),
        "[addresses:vars]",
        f"ansible_port={PORT}",
        "ansible_user=root",
        f"ansible_ssh_private_key_file={home}/id",
        f"ansible_ssh_common_args=-o UserKnownHostsFile={home}/known_hosts -o StrictHostKeyChecking=yes",
        *settings,
    ]
    (home / "addresses.ini").write_text("\n".join(lines) + "\n")
    return home / "addresses.ini"
