"""The fleet's network, in a namespace of its own: a bridge, and the numbers that everybody derives from it.

The namespace has no name and no file. It lives as long as one of the fleet's processes, so nothing is left of
it when they are gone, however they went. Being private, it can use the same subnet in every fleet.
"""

from __future__ import annotations

from glmprov.errors import LabError
from glmprov.lab.machine import run

BRIDGE = "lab"
GATEWAY = "10.77.0.1"
"""The bridge's address: the package server, and where the forwarder's connections come from."""
REGISTRY = "10.77.0.2"
HUB = "10.77.0.3"
PREFIX_LENGTH = 24


def address(number: int) -> str:
    """Return the address of the fleet's node of that number, from 1."""
    return f"10.77.0.{10 + number}"


def link(number: int) -> str:
    """Return the name of the bridge's end of a node's cable."""
    return f"node{number}"


def make_bridge() -> None:
    """Make the bridge in the calling process's network namespace."""
    batch(
        "link set lo up",
        f"link add {BRIDGE} type bridge",
        *(f"addr add {own}/{PREFIX_LENGTH} dev {BRIDGE}" for own in (GATEWAY, REGISTRY, HUB)),
        f"link set {BRIDGE} up",
    )


def plug_in(number: int, namespace: str, up: bool) -> None:
    """Connect a node's fresh network namespace (a file) to the bridge; not up: the cable is dead."""
    # The hardware address stays the same from boot to boot: neighbors would go on looking for the old one.
    cable = f"type veth peer name eth0 address 02:77:00:00:00:{number:02x} netns {namespace}"
    batch(
        f"link add {link(number)} {cable}",
        f"link set {link(number)} master {BRIDGE} {'up' if up else 'down'}",
    )
    run(
        ["nsenter", f"--net={namespace}", "ip", "-batch", "-"],
        stdin=f"link set lo up\naddr add {address(number)}/{PREFIX_LENGTH} dev eth0\n"
        f"link set eth0 up\nroute add default via {GATEWAY}\n",
    )


def unplug(number: int) -> None:
    """Remove a node's cable, if there is one."""
    if _is_plugged_in(number):
        try:
            batch(f"link del {link(number)}")
        except LabError:
            # The kernel takes the cable away itself, some time after the last process of the node's network is gone.
            if _is_plugged_in(number):
                raise


def _is_plugged_in(number: int) -> bool:
    return f" {link(number)}@" in run(["ip", "-oneline", "link"])


def batch(*commands: str) -> None:
    """Run ip commands in the calling process's network namespace."""
    run(["ip", "-batch", "-"], stdin="\n".join(commands) + "\n")
