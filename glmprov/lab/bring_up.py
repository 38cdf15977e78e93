"""`lab up`: what it will do, said before it is done, and done."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from glmprov.errors import LabError
from glmprov.lab import (
    authority,
    engine_images,
    fleet,
    hub_content,
    image,
    inventory,
    machine,
    node,
    package_faults,
    packages,
    processes,
    serve,
    service_faults,
    take_down,
)
from glmprov.lab.fleet import Fleet
from glmprov.lab.node import Node
from glmprov.lab.places import Place, alone, cache, fleets, place
from glmprov.lab.profiles import load as load_profile
from glmprov.lab.profiles import names as known_profiles

DEFAULT_PROFILES = ("turin-8x-server", "genoa-4x-workstation")

Say = Callable[[str], None]


@dataclass(frozen=True)
class UpPlan:
    """What is needed for a fleet to be up. kept is the fleet, if it is up already and stays.

    shared are folders of this machine that each node can read, at the same path. as_shipped: the packages are as Debian
    packs them, and disks are written for good.
    """

    place: Place
    profiles: tuple[str, ...]
    system_packages: tuple[str, ...]
    image_is_cached: bool
    kept: Fleet | None = None
    shared: tuple[Path, ...] = ()
    as_shipped: bool = False

    def lines(self) -> list[str]:
        """Return it for a person."""
        if self.kept:
            return [f"The fleet {self.place.fleet} is up."]
        lines = ["On this machine, as root:"]
        if self.system_packages:
            lines.append(f"- install Debian packages: {' '.join(self.system_packages)}")
        if not self.image_is_cached:
            lines.append(
                "- build a Debian 12 image and container images with the engine simulator, in a minute, from this "
                f"machine's package sources: {cache()}"
            )
        if self.place.directory.exists():
            lines.append(f"- remove what is left of the last fleet {self.place.fleet}")
        lines.append(f"- start {len(self.profiles)} nodes, with their disks in {self.place.directory}")
        return [*lines, "The machine's network, clock and sysctls stay as they are."]


def plan(
    name: str,
    profiles: Sequence[str],
    fresh: bool,
    shared: Sequence[Path] = (),
    as_shipped: bool = False,
) -> UpPlan:
    """Return what `up` has to do. Raise LabError if the machine can't, or another fleet has that name."""
    where = place(name)
    machine.require(fleets())
    wanted = tuple(profiles) or DEFAULT_PROFILES
    for profile in wanted:
        if profile not in known_profiles():
            choices = ", ".join(known_profiles())
            raise LabError(f"no hardware profile '{profile}'", next_step=f"There are: {choices}.")
    kept = None if fresh else _whole(name)
    if kept:
        _must_be_as_asked(kept, tuple(profiles), shared, as_shipped)
    missing = tuple(machine.missing_packages())
    cached = not missing and _image_is_cached(wanted)
    return UpPlan(where, wanted, missing, cached, kept, tuple(shared), as_shipped)


def carry_out(plan: UpPlan, inventory_out: Path | None, say: Say) -> Fleet:
    """Bring a fleet up: bare nodes, reachable, booted. Raise LabError, leaving nothing behind."""
    if plan.kept:
        return plan.kept.with_inventory(inventory_out or inventory.default_path(plan.place))
    begun = time.monotonic()
    with alone(plan.place.identity, wait=False):
        if plan.system_packages:
            machine.install(plan.system_packages)
            say(f"Debian packages are installed ({time.monotonic() - begun:.0f} s)")
        take_down.remove(plan.place)
        plan.place.directory.mkdir(parents=True, mode=0o700)
        try:
            started = _start(plan, say).with_inventory(inventory_out or inventory.default_path(plan.place))
        except BaseException:
            take_down.remove(plan.place)
            raise
    say(f"{len(started.nodes)} bare nodes are up after {time.monotonic() - begun:.1f} s; GPUs are simulated")
    return started


def next_steps(up: Fleet) -> list[str]:
    """Return what a person may type next."""
    option = "" if up.place.fleet == "lab" else f" --fleet {up.place.fleet}"
    usual = up.inventory.parent == Path("inventories").absolute()
    return [
        f"glmprov provision --inventory {up.inventory.name if usual else up.inventory}",
        f"glmprov lab ssh{option} {up.nodes[0].name}",
        f"glmprov lab status{option}",
        f"glmprov lab down{option}",
    ]


def _whole(name: str) -> Fleet | None:
    """Return the fleet if it is up and all its processes live."""
    try:
        found = fleet.load(name)
    except LabError:
        return None
    return None if found.missing_processes() else found


def _must_be_as_asked(
    kept: Fleet, profiles: tuple[str, ...], shared: Sequence[Path], as_shipped: bool
) -> None:
    """Raise LabError if a fleet that is up isn't what is asked for."""
    another = "Add --fresh to start over, or --fleet NAME for another fleet beside it."
    there = tuple(one.profile for one in kept.nodes)
    if profiles and there != profiles:
        raise LabError(
            f"the fleet '{kept.place.fleet}' is up with other hardware: {' '.join(there)}", next_step=another
        )
    if as_shipped and not kept.nodes[0].as_shipped(kept.place):
        raise LabError(f"the fleet '{kept.place.fleet}' is up, and made to be quick", next_step=another)
    if hidden := set(shared).difference(kept.nodes[0].shared(kept.place)):
        folders = ", ".join(sorted(map(str, hidden)))
        raise LabError(
            f"the fleet '{kept.place.fleet}' is up, and its nodes can't read {folders}", next_step=another
        )


def _image_is_cached(profiles: Sequence[str]) -> bool:
    try:
        with alone("building", wait=False):
            trusted = authority.ensure(cache()) / "ca.crt"
            return image.is_cached(cache(), trusted, _distributions(profiles)) and engine_images.is_cached(
                cache()
            )
    except LabError:
        # Another fleet is building it, or will say what is wrong.
        return False


def _distributions(profiles: Sequence[str]) -> list[str]:
    return sorted({load_profile(profile).distribution for profile in profiles})


def _start(plan: UpPlan, say: Say) -> Fleet:
    begun = time.monotonic()
    where = plan.place
    with alone("building", wait=True), ThreadPoolExecutor() as pool:
        certificates = authority.ensure(cache())
        building = pool.submit(image.ensure, cache(), certificates / "ca.crt")
        content = packages.build(cache(), as_shipped=plan.as_shipped)
        # Not at the same time: both ask apt, with the same state.
        storage, models = engine_images.ensure(cache()), hub_content.ensure(cache())
        distributions = _distributions(plan.profiles)
        if "ubuntu" in distributions:
            packages.add_ubuntu(cache(), content)
        layers = {name: image.layers(cache(), building.result(), name) for name in distributions}
    if (seconds := time.monotonic() - begun) > 1:
        say(f"Image and packages are ready ({seconds:.0f} s)")
    machine.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", where.identity, "-f", where.ssh_key])
    served = serve.Places(
        packages=str(content),
        package_faults=str(where.directory / package_faults.FOLDER),
        authority=str(certificates),
        registry_program=str(engine_images.program(cache())),
        registry_storage=str(storage),
        models=str(models),
        service_faults=str(where.directory / service_faults.FOLDER),
        scratch=str(where.directory),
    )
    namespace_pid, nodes = _start_network(where, fleet.name_nodes(plan.profiles), served)
    with ThreadPoolExecutor(len(nodes)) as pool:
        try:

            def create(one: Node) -> None:
                its_layers = layers[node.distribution(one)]
                node.create(where, one, its_layers, content, nodes, plan.shared, plan.as_shipped)

            list(pool.map(create, nodes))
            where.known_hosts.write_text("".join(node.pinned_key(where, one) for one in nodes))
            where.ssh_config.write_text(node.ssh_config(where, nodes))
            list(pool.map(lambda one: _boot(where, one, namespace_pid, say), nodes))
        except BaseException:
            # Those who still wait for a node see that it is gone.
            take_down.kill(where)
            raise
    return Fleet(where, nodes, content, inventory.default_path(where))


def _start_network(
    where: Place, planned: tuple[Node, ...], served: serve.Places
) -> tuple[int, tuple[Node, ...]]:
    """Start servers and forwarder. Return the former's PID, and the nodes with their addresses."""
    log = where.directory / "services.log"
    processes.start(where, processes.PACKAGES, "glmprov.lab.serve", str(served), log=log)
    namespace_pid = processes.find(where, processes.PACKAGES)
    if namespace_pid is None:
        raise LabError(f"the package server ended: {processes.last_lines(log, 1)}")
    directories = [str(where.node(one.name)) for one in planned]
    arguments = (str(namespace_pid), *directories)
    told = processes.start(where, processes.FORWARDER, "glmprov.lab.forward", *arguments, log=log)
    places = json.loads(told)
    nodes = [
        replace(one, **{**at, "ports": tuple(at["ports"])}) for one, at in zip(planned, places, strict=True)
    ]
    return namespace_pid, tuple(nodes)


def _boot(where: Place, one: Node, namespace_pid: int, say: Say) -> None:
    begun = time.monotonic()
    directory = where.node(one.name)
    arguments = (str(directory), str(namespace_pid))
    role = processes.supervisor(one.name)
    processes.start(where, role, "glmprov.lab.supervisor", *arguments, log=directory / "supervisor.log")
    state = fleet.wait_until_up(where, one)
    say(f"{one.name} ({one.profile}) is {state} at {one.address} ({time.monotonic() - begun:.1f} s)")
