"""A whole fleet: up, down, and what its record says."""

from __future__ import annotations

import importlib.util
import json
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from glmprov.errors import LabError
from glmprov.lab import authority, cgroups, image, inventory, machine, node, processes
from glmprov.lab.node import Node
from glmprov.lab.places import Place, cache, fleets, place
from glmprov.lab.supervisor import OFF_FILE, UNPLUGGED_FILE

DEFAULT_PROFILES = ("turin-8x-server", "genoa-4x-workstation")
_BOOT_PATIENCE_SECONDS = 120.0
_GONE_PATIENCE_SECONDS = 20.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Fleet:
    """A fleet that is up. inventory is the file that `up` wrote and `down` removes."""

    place: Place
    nodes: tuple[Node, ...]
    packages: Path
    inventory: Path | None = None

    def node(self, name: str) -> Node:
        """Return the node of that name. Raise LabError, naming those that there are."""
        for one in self.nodes:
            if one.name == name:
                return one
        names = ", ".join(one.name for one in self.nodes)
        raise LabError(f"the fleet '{self.place.fleet}' has no node '{name}'", next_step=f"Its nodes are {names}.")

    def is_unplugged(self, node: Node) -> bool:
        """Tell whether the node's network link was made dead."""
        return (self.place.node(node.name) / UNPLUGGED_FILE).exists()

    def is_off(self, node: Node) -> bool:
        """Tell whether the node was shut down."""
        return (self.place.node(node.name) / OFF_FILE).exists()


def load(fleet: str) -> Fleet:
    """Return the fleet of that name. Raise LabError if it isn't up."""
    where = place(fleet)
    try:
        known = json.loads(where.state_file.read_text())
    except FileNotFoundError:
        raise LabError(f"the fleet '{fleet}' is not up", next_step=f"glmprov lab up --fleet {fleet}") from None
    nodes = tuple(Node(**{**one, "ports": tuple(one["ports"])}) for one in known["nodes"])
    written = Path(known["inventory"]) if known["inventory"] else None
    return Fleet(where, nodes, Path(known["packages"]), written)


def name_nodes(profiles: Sequence[str]) -> tuple[Node, ...]:
    """Return nodes with short names: the first two words of the profile, numbered where they repeat."""
    stems = ["-".join(profile.split("-")[:2]) for profile in profiles]
    nodes = []
    for index, (stem, profile) in enumerate(zip(stems, profiles, strict=True)):
        name = f"{stem}-{stems[: index + 1].count(stem)}" if stems.count(stem) > 1 else stem
        nodes.append(Node(name, profile, index + 1))
    return tuple(nodes)


def up(fleet: str, profiles: Sequence[str], inventory_out: Path | None, say: Say) -> Fleet:
    """Bring a fleet up: bare nodes, reachable, with everything started. Raise LabError, leaving nothing behind."""
    where = place(fleet)
    machine.require(fleets())
    if where.directory.exists():
        down(fleet)
    where.directory.mkdir(parents=True, mode=0o700)
    try:
        return _up(where, name_nodes(profiles), inventory_out, say)
    except BaseException:
        down(fleet)
        raise


def _up(where: Place, planned: tuple[Node, ...], inventory_out: Path | None, say: Say) -> Fleet:
    certificates = authority.ensure(cache())
    if not image.is_cached(cache(), certificates / "ca.crt"):
        say("Building the node image and the packages: once, a minute or two")
    with ThreadPoolExecutor() as pool:
        building = pool.submit(image.ensure, cache(), certificates / "ca.crt")
        packages = _packages(cache())
        squashfs = building.result()
    machine.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", where.identity, "-f", where.ssh_key])
    log = where.directory / "processes.log"
    processes.start(where, "packages", "glmprov.lab.serve", str(packages), str(certificates), log=log)
    server = processes.find(where, "packages")
    if server is None:
        raise LabError("the package server is gone", place=str(log))
    directories = [str(where.node(one.name)) for one in planned]
    told = processes.start(where, "forwarder", "glmprov.lab.forward", str(server.pid), *directories, log=log)
    nodes = tuple(
        replace(one, address=at["address"], ssh_port=at["ssh_port"], ports=tuple(at["ports"]))
        for one, at in zip(planned, json.loads(told), strict=True)
    )
    fleet = Fleet(where, nodes, packages)
    with ThreadPoolExecutor(len(nodes)) as pool:
        list(pool.map(lambda one: _start(fleet, one, squashfs, server.pid, say), nodes))
    return record(fleet, inventory_out)


def _start(fleet: Fleet, one: Node, squashfs: Path, namespace_pid: int, say: Say) -> None:
    begun = time.monotonic()
    where = fleet.place
    node.create(where, one, squashfs, fleet.packages, list(fleet.nodes))
    with where.known_hosts.open("a") as pinned:
        pinned.write(node.host_key(where, one))
    directory = where.node(one.name)
    log = directory / "supervisor.log"
    arguments = (str(directory), str(namespace_pid))
    processes.start(where, f"node:{one.name}", "glmprov.lab.supervisor", *arguments, log=log)
    state = wait_until_up(fleet, one)
    say(f"{one.name} ({one.profile}) is {state} at {one.address} after {time.monotonic() - begun:.1f} s")


def wait_until_up(fleet: Fleet, one: Node) -> str:
    """Wait until a node answers by SSH and has finished its boot. Return systemd's word for its state."""
    deadline = time.monotonic() + _BOOT_PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if _greets(one):
            state = one.ask(fleet.place, "systemctl is-system-running --wait", deadline - time.monotonic())
            if state:
                return state
        if processes.find(fleet.place, f"node:{one.name}") is None:
            break
        time.sleep(0.1)
    console = fleet.place.node(one.name) / "console.log"
    raise LabError(f"the node {one.name} did not come up", place=str(console), next_step="Read that file.")


def _greets(one: Node) -> bool:
    try:
        with socket.create_connection((one.address, one.ssh_port), timeout=3) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _packages(where: Path) -> Path:
    if importlib.util.find_spec("glmprov.lab.packages"):
        from glmprov.lab import packages  # type: ignore[attr-defined]

        return Path(packages.build(where))
    empty = where / "no-packages"
    empty.mkdir(parents=True, exist_ok=True)
    return empty


def record(fleet: Fleet, inventory_out: Path | None) -> Fleet:
    """Write the inventory of a fleet that is up, and the record by which others find the fleet."""
    written = inventory_out or inventory.default_path(fleet.place)
    inventory.write(written, fleet.place, fleet.nodes, fleet.packages)
    fleet = replace(fleet, inventory=written)
    known = {
        "nodes": [asdict(one) for one in fleet.nodes],
        "packages": str(fleet.packages),
        "inventory": str(written),
    }
    fleet.place.state_file.write_text(json.dumps(known, indent=1) + "\n")
    return fleet


def down(fleet: str) -> None:
    """Remove a fleet and all that is left of it, also after its processes were killed. Harmless if there is none."""
    where = place(fleet)
    deadline = time.monotonic() + _GONE_PATIENCE_SECONDS
    while alive := processes.running(where):
        # Again until none is left: a supervisor may just be starting a node.
        for process in alive:
            process.send(signal.SIGKILL, where)
        if time.monotonic() > deadline:
            raise LabError(f"processes of the fleet can't be killed: {[process.pid for process in alive]}")
        time.sleep(0.02)
    group = cgroups.Group(where.cgroup)
    group.kill()
    group.remove()
    with suppress(LabError, KeyError, ValueError):
        written = load(fleet).inventory
        if written is not None and inventory.is_of(written, where):
            written.unlink()
    _delete(where.directory)


def _delete(directory: Path) -> None:
    """Delete a fleet's directory. The mounts of killed processes vanish a moment after them."""
    deadline = time.monotonic() + _GONE_PATIENCE_SECONDS
    while directory.exists():
        try:
            shutil.rmtree(directory)
        except OSError as error:
            if time.monotonic() > deadline:
                raise LabError(f"can't be deleted: {error.strerror}", place=str(error.filename)) from error
            time.sleep(0.05)


def all_names() -> Iterable[str]:
    """Return the names of the fleets of which there is something."""
    return sorted(path.name for path in fleets().glob("*/") if path.is_dir())
