"""`lab down`: the end of a fleet and of all that it left, also after its processes were killed."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress

from glmprov.errors import LabError
from glmprov.lab import fleet, inventory, machine
from glmprov.lab.cgroups import Group
from glmprov.lab.places import Place, alone, place

_PATIENCE_SECONDS = 20.0


def down(name: str) -> None:
    """Remove a fleet. Harmless if there is none."""
    machine.require_root()
    where = place(name)
    with alone(where.identity, wait=False):
        remove(where)


def remove(where: Place) -> None:
    """Kill the fleet's processes, delete its files and the inventory that it wrote."""
    kill(where)
    with suppress(LabError, KeyError, TypeError):
        inventory.remove(fleet.load(where.fleet).inventory, where)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while where.directory.exists():
        try:
            shutil.rmtree(where.directory)
        except OSError as error:
            # The mounts of killed processes vanish a moment after them.
            if time.monotonic() > deadline:
                raise LabError(f"can't be deleted: {error.strerror}", place=str(error.filename)) from error
            time.sleep(0.05)


def kill(where: Place) -> None:
    """Kill the fleet's processes. Mounts and network were theirs alone and go with them."""
    group = Group(where.group)
    group.kill()
    group.remove()
