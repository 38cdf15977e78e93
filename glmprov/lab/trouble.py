"""Faults on demand: of network and servers, made here, and of the hardware, by the node's simulation."""

from __future__ import annotations

from collections.abc import Callable

from glmprov.errors import LabError
from glmprov.lab import faults, fleet, network, package_faults, processes, service_faults
from glmprov.lab.fleet import Fleet
from glmprov.lab.forward import LATENCY_FILE
from glmprov.lab.machine import run
from glmprov.lab.node import Node
from glmprov.lab.places import cache
from glmprov.lab.supervisor import UNPLUGGED_FILE

_OUR_KINDS = {
    "unreachable": "on|off: the network link is dead, also over reboots",
    "slow": "MS|off: what is sent to the node arrives that many milliseconds later",
}

_PACKAGE_KINDS = {
    "wrong-signature": "on|off: a key that the node doesn't trust signs its package sources",
    "withdrawn-package": "NAME on|off: no package source lists the package",
    "lost-package": "NAME on|off: a package is listed, but its file isn't there",
    "slow-packages": "MS|off: the package server answers the node that many milliseconds later",
}


def kinds() -> dict[str, str]:
    """Return the kinds of faults with their arguments and meaning."""
    return {**_OUR_KINDS, **_PACKAGE_KINDS, **service_faults.KINDS, **faults.KINDS}


def cause(name: str, node_name: str, kind: str, arguments: list[str]) -> str:
    """Break something on a node, or mend it. Return what is so now. Raise LabError if it makes no sense."""
    found = fleet.load(name)
    node = found.node(node_name)
    ours: dict[str, Callable[[Fleet, Node, list[str]], str]] = {"unreachable": _unreachable, "slow": _slow}
    if kind in ours:
        return ours[kind](found, node, arguments)
    if kind in _PACKAGE_KINDS:
        folder = found.place.directory / package_faults.FOLDER / network.address(node.number)
        return package_faults.change(found.packages, cache(), folder, kind, arguments)
    if kind in service_faults.KINDS:
        file = found.place.directory / service_faults.FOLDER / f"{network.address(node.number)}.json"
        return service_faults.change(file, kind, arguments)
    if kind not in kinds():
        raise LabError(f"there is no fault '{kind}'", next_step=f"There are: {', '.join(kinds())}.")
    return faults.inject(found.place.node(node.name) / "hardware", kind, arguments)


def _unreachable(found: Fleet, node: Node, arguments: list[str]) -> str:
    if arguments not in (["on"], ["off"]):
        raise LabError("say on or off", place="unreachable")
    dead = arguments == ["on"]
    marker = found.place.node(node.name) / UNPLUGGED_FILE
    if dead:
        marker.touch()
    else:
        marker.unlink(missing_ok=True)
    inside = processes.find(found.place, processes.PACKAGES) or processes.find(
        found.place, processes.FORWARDER
    )
    if inside is None:
        raise LabError("the fleet's network is gone", next_step="glmprov lab up --fresh starts over.")
    cable = network.link(node.number)
    run(["nsenter", f"--net=/proc/{inside}/ns/net", "ip", "link", "set", cable, "down" if dead else "up"])
    return f"{node.name} is {'cut off' if dead else 'connected'}"


def _slow(found: Fleet, node: Node, arguments: list[str]) -> str:
    file = found.place.node(node.name) / LATENCY_FILE
    if arguments == ["off"]:
        file.unlink(missing_ok=True)
        return f"{node.name} answers at full speed"
    if len(arguments) != 1 or not arguments[0].isdigit():
        raise LabError("say how many milliseconds, or off", place="slow")
    file.write_text(arguments[0])
    return f"{node.name} answers {arguments[0]} ms later, on new connections"
