"""What `lab up` will do, said before it is done, and done."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from glmprov.errors import LabError
from glmprov.lab import authority, image, inventory, machine, processes
from glmprov.lab import fleet as fleets
from glmprov.lab.fleet import Fleet
from glmprov.lab.places import cache, place
from glmprov.lab.places import fleets as state_directory


@dataclass(frozen=True)
class UpPlan:
    """What is needed for a fleet to be up. kept is the fleet, if it is up already and stays."""

    fleet: str
    profiles: tuple[str, ...]
    packages: tuple[str, ...]
    image_is_cached: bool
    kept: Fleet | None = None

    @property
    def changes(self) -> bool:
        """Whether there is anything to ask about."""
        return self.kept is None

    def lines(self) -> list[str]:
        """Return it for a person."""
        if self.kept:
            return [f"The fleet {self.fleet} is up."]
        lines = ["On this machine, as root:"]
        if self.packages:
            lines.append(f"- install Debian packages: {' '.join(self.packages)}")
        if not self.image_is_cached:
            lines.append(f"- build a Debian 12 image from this machine's package sources, below {cache()}")
        lines.append(f"- start {len(self.profiles)} nodes, with their disks below {place(self.fleet).directory}")
        return [*lines, "The machine's network, clock, sysctls and control groups stay as they are."]


def plan(fleet: str, profiles: Sequence[str], fresh: bool) -> UpPlan:
    """Return what `up` has to do. Raise LabError if the machine can't, or other nodes are up under that name."""
    machine.require(state_directory())
    wanted = tuple(profiles) or fleets.DEFAULT_PROFILES
    kept = None if fresh else _whole(fleet)
    if kept and profiles and tuple(node.profile for node in kept.nodes) != wanted:
        raise LabError(
            f"the fleet '{fleet}' is up with other hardware: {' '.join(node.profile for node in kept.nodes)}",
            next_step="Add --fresh to start over, or --fleet NAME for another fleet beside it.",
        )
    packages = tuple(machine.missing_packages())
    cached = not packages and image.is_cached(cache(), authority.ensure(cache()) / "ca.crt")
    return UpPlan(fleet, wanted, packages, cached, kept)


def carry_out(plan: UpPlan, inventory_out: Path | None, say: Callable[[str], None]) -> list[str]:
    """Do it, saying how it goes. Return what a person may type next."""
    begun = time.monotonic()
    if plan.kept:
        fleet = fleets.record(plan.kept, inventory_out or plan.kept.inventory)
    else:
        if plan.packages:
            machine.install(plan.packages)
            say(f"Installed {len(plan.packages)} Debian packages ({time.monotonic() - begun:.0f} s)")
        fleet = fleets.up(plan.fleet, plan.profiles, inventory_out, say)
        say(f"{len(fleet.nodes)} bare nodes are up after {time.monotonic() - begun:.1f} s. Their GPUs are simulated.")
    return next_steps(fleet)


def next_steps(fleet: Fleet) -> list[str]:
    """Return what a person may type next."""
    option = "" if fleet.place.fleet == "lab" else f" --fleet {fleet.place.fleet}"
    usual = fleet.inventory == inventory.default_path(fleet.place) and fleet.inventory.parent.name == "inventories"
    name = fleet.inventory.name if usual and fleet.inventory else fleet.inventory
    return [
        "",
        f"  glmprov provision --inventory {name}",
        f"  glmprov lab ssh{option} {fleet.nodes[0].name}",
        f"  glmprov lab status{option}",
        f"  glmprov lab down{option}",
    ]


def _whole(fleet: str) -> Fleet | None:
    """Return the fleet if it is up and all its processes live."""
    try:
        found = fleets.load(fleet)
    except LabError:
        return None
    roles = {process.role for process in processes.running(found.place)}
    needed = {"packages", "forwarder", *(f"node:{node.name}" for node in found.nodes)}
    return found if needed <= roles else None
