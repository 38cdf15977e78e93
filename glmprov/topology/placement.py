"""On which socket a card sits, where sysfs says so and where it doesn't. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from glmprov.hardware import Gpu, Hardware, NumaNode, PciCard
from glmprov.state import Unknown

_T = TypeVar("_T", str, int)

UNKNOWN_SOCKET = -1
"""Nothing tells the socket. Numbers below it: its cards are known, but not which socket it is."""

INSIDE_A_NODE = ("PIX", "PXB", "PHB", "NODE")
"""NVML's topology classes that stay inside a NUMA node. SYS leaves it; others (NVLink, unknown) don't tell."""


@dataclass(frozen=True)
class Place:
    """Where a card sits, and what told it. node None: nothing tells the NUMA node."""

    node: int | None
    socket: int
    how: str


def sysfs_bus_id(bus_id: str) -> str:
    """Return a bus id as sysfs writes it: NVML's "00000000:C1:00.0" is "0000:c1:00.0"."""
    domain, _, rest = bus_id.lower().partition(":")
    return f"{int(domain, 16):04x}:{rest}"


def gpus_by_bus_id(hardware: Hardware) -> dict[str, Gpu]:
    """Return the cards that NVML shows by bus id as sysfs writes it; none without a driver."""
    gpus = () if isinstance(hardware.gpus, Unknown) else hardware.gpus
    return {sysfs_bus_id(gpu.bus_id): gpu for gpu in gpus}


def places(hardware: Hardware) -> dict[str, Place]:
    """Return the place of each card by bus id: sysfs tells it, else the only node, else its neighbors."""
    nodes = {node.node_id for node in hardware.numa_nodes}
    socket_of = sockets_by_node(hardware.numa_nodes, hardware.cpu.sockets)
    found = {pci.bus_id: _told(pci, socket_of, hardware.cpu.sockets) for pci in hardware.cards}
    unnamed = UNKNOWN_SOCKET
    for family in _linked(hardware):
        lost = [bus_id for bus_id in family if found[bus_id].socket == UNKNOWN_SOCKET]
        named = next((found[bus_id] for bus_id in family if found[bus_id].node is not None), None)
        unnamed -= 1 if named is None else 0
        by_links = Place(
            None, unnamed, "which cards share a socket is told by NVML's links, not which socket it is"
        )
        for bus_id in lost:
            known = named and Place(named.node, named.socket, "the NUMA node of a card that NVML links to it")
            found[bus_id] = known or by_links
    by_root = {pci.root: found[pci.bus_id] for pci in hardware.cards if pci.numa_node in nodes and pci.root}
    for pci in hardware.cards:
        neighbor = by_root.get(pci.root)
        if found[pci.bus_id].socket == UNKNOWN_SOCKET and neighbor:
            found[pci.bus_id] = Place(
                neighbor.node, neighbor.socket, "the NUMA node of a card under the same root"
            )
    return found


def _told(pci: PciCard, socket_of: Mapping[int, int], sockets: int) -> Place:
    if pci.numa_node in socket_of:
        return Place(pci.numa_node, socket_of[pci.numa_node], "sysfs")
    if len(socket_of) == 1:
        only = next(iter(socket_of))
        return Place(only, socket_of[only], "the host's only NUMA node; the firmware names none")
    return Place(None, 0 if sockets == 1 else UNKNOWN_SOCKET, "the firmware names no NUMA node")


def _linked(hardware: Hardware) -> list[set[str]]:
    """Return the cards that NVML says are on one NUMA node together, as sets of bus ids."""
    bus_ids = {gpu.uuid: bus_id for bus_id, gpu in gpus_by_bus_id(hardware).items()}
    present = {sysfs_bus_id(pci.bus_id): pci.bus_id for pci in hardware.cards}
    telling = {pair: link for pair, link in hardware.links.items() if link in (*INSIDE_A_NODE, "SYS")}
    pairs = [({one, other}, link) for (one, other), link in telling.items() if one != other]
    seen = set().union(*(pair for pair, _ in pairs)) & set(bus_ids)
    families = _joined(
        ({uuid} for uuid in sorted(seen)), (pair & seen for pair, link in pairs if link in INSIDE_A_NODE)
    )
    return [{present[bus_ids[uuid]] for uuid in family if bus_ids[uuid] in present} for family in families]


def _joined(families: Iterable[set[_T]], pairs: Iterable[set[_T]]) -> list[set[_T]]:
    """Return the families, with those that a pair touches made one."""
    groups = list(families)
    for pair in pairs:
        touched = [group for group in groups if group & pair]
        groups = [group for group in groups if not group & pair] + (
            [set().union(*touched)] if touched else []
        )
    return groups


def sockets_by_node(nodes: Sequence[NumaNode], sockets: int) -> dict[int, int]:
    """Return the socket of each NUMA node. With several nodes a socket (NPS2, NPS4), near nodes share one.

    Nodes are joined at the least distance that leaves as many groups as there are sockets.
    """
    groups = [{node.node_id} for node in nodes]
    known = {node.node_id for node in nodes}
    distances = sorted({d for node in nodes for other, d in node.distances.items() if other != node.node_id})
    for distance in distances:
        if len(groups) <= max(sockets, 1):
            break
        near = [
            {o for o, d in node.distances.items() if d <= distance and o in known} | {node.node_id}
            for node in nodes
        ]
        groups = _joined(groups, near)
    ordered = sorted(groups, key=min)
    return {node: socket for socket, group in enumerate(ordered) for node in group}
