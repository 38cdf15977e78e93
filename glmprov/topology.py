"""Where the cards sit: sockets, switches, and sets for tensor parallel. Pure; needs no driver."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from glmprov import catalog
from glmprov.hardware import Gpu, Hardware, NumaNode, PciCard
from glmprov.state import Unknown

SET_SIZES = (4, 2, 1)
"""Sizes of a set, largest first: tensor parallel wants a power of two, and GLM-4.7 FP8 fits on four cards."""

NO_VM = frozenset(
    {None, "", "none", "systemd-nspawn", "lxc", "lxc-libvirt", "docker", "podman", "container-other"}
)
"""What systemd-detect-virt says where no hypervisor is between us and the PCI bus.

A container sees the real one.
"""

UNKNOWN_SOCKET = -1


class Kind(StrEnum):
    """How the cards reach each other."""

    SINGLE_SOCKET = "single socket"
    DUAL_SOCKET = "two sockets or more"
    VIRTUAL = "virtual machine"
    UNKNOWN = "unknown sockets"


@dataclass(frozen=True)
class Card:
    """A card as the plan sees it: with a driver known by UUID, on a bare host by bus id.

    edition is the catalog's, else NVML's name, else the device id; entry is the catalog's, None for a card
    that it doesn't have. socket is UNKNOWN_SOCKET and node None where nothing tells; how says what told it. path
    are the bridges from the root to the card.
    """

    key: str
    bus_id: str
    edition: str
    entry: catalog.Card | None
    node: int | None
    socket: int
    how: str
    path: tuple[str, ...]
    passed_through: bool = False


@dataclass(frozen=True)
class GpuSet:
    """Cards for one tensor-parallel group.

    cpus and node are where its process belongs; node None: on several, or unknown.
    """

    keys: tuple[str, ...]
    node: int | None
    cpus: tuple[int, ...]
    reason: str
    editions: tuple[str, ...]
    crosses_sockets: bool = False


@dataclass(frozen=True)
class Topology:
    """The host in one look.

    switched: two cards share a PCIe bridge. one_node: all cards are on one NUMA node.
    """

    kind: Kind
    cards: tuple[Card, ...]
    switched: bool
    one_node: bool


def read(hardware: Hardware) -> Topology:
    """Return the topology of the cards that are ours: one given to a virtual machine (vfio-pci) isn't."""
    found = tuple(card for card in cards(hardware) if not card.passed_through)
    sockets = {card.socket for card in found}
    if hardware.system.virtualization not in NO_VM:
        kind = Kind.VIRTUAL
    elif UNKNOWN_SOCKET in sockets and hardware.cpu.sockets > 1:
        kind = Kind.UNKNOWN
    else:
        kind = Kind.DUAL_SOCKET if len(sockets) > 1 else Kind.SINGLE_SOCKET
    nodes = {card.node for card in found}
    switched = any(set(one.path) & set(other.path) for one, other in combinations(found, 2))
    return Topology(kind, found, switched, one_node=len(nodes) == 1 and None not in nodes)


def cards(hardware: Hardware) -> tuple[Card, ...]:
    """Return every NVIDIA card of the host, by bus id."""
    gpus = (
        {} if isinstance(hardware.gpus, Unknown) else {sysfs_bus_id(gpu.bus_id): gpu for gpu in hardware.gpus}
    )
    socket_of = sockets_by_node(hardware.numa_nodes, hardware.cpu.sockets)
    placed = _place(hardware, gpus)
    return tuple(
        _card(pci, gpus.get(sysfs_bus_id(pci.bus_id)), *placed[pci.bus_id], socket_of)
        for pci in sorted(hardware.cards, key=lambda pci: pci.bus_id)
    )


def sysfs_bus_id(bus_id: str) -> str:
    """Return a bus id as sysfs writes it: NVML's "00000000:C1:00.0" is "0000:c1:00.0"."""
    domain, _, rest = bus_id.lower().partition(":")
    return f"{domain[-4:]}:{rest}"


def _card(pci: PciCard, gpu: Gpu | None, node: int | None, how: str, socket_of: Mapping[int, int]) -> Card:
    entry = catalog.load().card(name=gpu.name) if gpu else catalog.load().card(device_id=pci.device_id)
    return Card(
        key=gpu.uuid if gpu else pci.bus_id,
        bus_id=pci.bus_id,
        edition=entry.edition if entry else gpu.name if gpu else pci.device_id,
        entry=entry,
        node=node,
        socket=socket_of.get(node, UNKNOWN_SOCKET) if node is not None else UNKNOWN_SOCKET,
        how=how,
        path=tuple(reversed(pci.bridges)),
        passed_through=pci.driver == "vfio-pci",
    )


def _place(hardware: Hardware, gpus: Mapping[str, Gpu]) -> dict[str, tuple[int | None, str]]:
    """Return node and what told it, by bus id: sysfs, else the only node, else a neighbor's."""
    nodes = {node.node_id for node in hardware.numa_nodes}
    placed: dict[str, tuple[int | None, str]] = {}
    for pci in hardware.cards:
        if pci.numa_node in nodes:
            placed[pci.bus_id] = (pci.numa_node, "sysfs")
        elif len(nodes) == 1:
            placed[pci.bus_id] = (next(iter(nodes)), "the host's only NUMA node; the firmware names none")
        else:
            placed[pci.bus_id] = (None, "the firmware names no NUMA node")
    by_root = {
        pci.root: placed[pci.bus_id][0] for pci in hardware.cards if pci.root and pci.numa_node in nodes
    }
    for pci in hardware.cards:
        if placed[pci.bus_id][0] is not None:
            continue
        neighbor = _linked_node(hardware, gpus, pci, placed)
        if neighbor is not None:
            placed[pci.bus_id] = (neighbor, "the NUMA node of a card that NVML links to it")
        elif by_root.get(pci.root) is not None:
            placed[pci.bus_id] = (by_root[pci.root], "the NUMA node of a card under the same root")
    return placed


def _linked_node(
    hardware: Hardware, gpus: Mapping[str, Gpu], pci: PciCard, placed: Mapping[str, tuple[int | None, str]]
) -> int | None:
    """Return the node of a card that NVML says is on the same one: every class but SYS stays inside it."""
    gpu = gpus.get(sysfs_bus_id(pci.bus_id))
    for other in hardware.cards if gpu else ():
        peer = gpus.get(sysfs_bus_id(other.bus_id))
        if peer is None or gpu is None or placed[other.bus_id][0] is None:
            continue
        link = hardware.links.get((gpu.uuid, peer.uuid)) or hardware.links.get((peer.uuid, gpu.uuid))
        if link in ("PIX", "PXB", "PHB", "NODE"):
            return placed[other.bus_id][0]
    return None


def sockets_by_node(nodes: Sequence[NumaNode], sockets: int) -> dict[int, int]:
    """Return the socket of each NUMA node. With several nodes a socket (NPS2, NPS4), near nodes share one.

    Nodes are joined at the least distance that leaves as many groups as there are sockets.
    """
    groups: list[set[int]] = [{node.node_id} for node in nodes]
    distances = sorted({d for node in nodes for other, d in node.distances.items() if other != node.node_id})
    for distance in distances:
        if len(groups) <= max(sockets, 1):
            break
        for node in nodes:
            near = {other for other, d in node.distances.items() if d <= distance} | {node.node_id}
            joined = set().union(*(group for group in groups if group & near))
            groups = [group for group in groups if not group & near] + [joined]
    ordered = sorted(groups, key=min)
    return {node: socket for socket, group in enumerate(ordered) for node in group}


def cards_by_socket(hardware: Hardware) -> dict[int, tuple[Card, ...]]:
    """Return our cards by socket, or UNKNOWN_SOCKET; cards behind one bridge are side by side."""
    found = read(hardware).cards
    return {
        socket: tuple(_side_by_side([card for card in found if card.socket == socket]))
        for socket in sorted({card.socket for card in found})
    }


def _side_by_side(members: Sequence[Card]) -> list[Card]:
    """Return cards so that those which share the most bridges are neighbors, the largest families first."""

    def family(card: Card) -> tuple[int, str]:
        shared = [sum(bridge in other.path for other in members) for bridge in card.path]
        size = max((count for count in shared if count > 1), default=0)
        first = min((o.bus_id for o in members if set(o.path) & set(card.path)), default=card.bus_id)
        return (-size, first)

    return sorted(members, key=lambda card: (*family(card), card.path, card.bus_id))


def gpu_sets(hardware: Hardware) -> tuple[GpuSet, ...]:
    """Return sets of cards for tensor parallel, largest first: each card once, each set inside one socket.

    Where no socket holds four cards but the host does, one more set of four follows that crosses sockets.
    """
    sockets = cards_by_socket(hardware)
    inside = [
        _set(hardware, chunk, socket)
        for socket, members in sockets.items()
        for chunk in _chunks(members, SET_SIZES)
    ]
    inside.sort(key=lambda gpu_set: -len(gpu_set.keys))
    everything = [card for members in sockets.values() for card in members]
    largest = SET_SIZES[0]
    if len(everything) >= largest and all(len(members) < largest for members in sockets.values()):
        widest = sorted(sockets.values(), key=len, reverse=True)
        inside.append(_crossing(hardware, [card for members in widest for card in members][:largest]))
    return tuple(inside)


def _chunks(members: Sequence[Card], sizes: Sequence[int]) -> Iterator[Sequence[Card]]:
    rest = list(members)
    for size in sizes:
        while len(rest) >= size:
            yield rest[:size]
            rest = rest[size:]


def _set(hardware: Hardware, members: Sequence[Card], socket: int) -> GpuSet:
    where = f"inside socket {socket}" if socket != UNKNOWN_SOCKET else "socket unknown"
    told = sorted({card.how for card in members} - {"sysfs"})
    return _gpu_set(hardware, members, "; ".join([where, *told, *_mixed(members)]))


def _crossing(hardware: Hardware, members: Sequence[Card]) -> GpuSet:
    reason = f"crosses sockets: no socket holds {len(members)} cards"
    return _gpu_set(hardware, members, "; ".join([reason, *_mixed(members)]), crosses=True)


def _gpu_set(hardware: Hardware, members: Sequence[Card], reason: str, crosses: bool = False) -> GpuSet:
    nodes = {card.node for card in members}
    cpus = sorted({cpu for node in hardware.numa_nodes if node.node_id in nodes for cpu in node.cpus})
    return GpuSet(
        keys=tuple(card.key for card in members),
        node=nodes.pop() if len(nodes) == 1 else None,
        cpus=() if None in {card.node for card in members} else tuple(cpus),
        reason=reason,
        editions=tuple(sorted({card.edition for card in members})),
        crosses_sockets=crosses,
    )


def _mixed(members: Iterable[Card]) -> list[str]:
    editions = sorted({card.edition for card in members})
    return [f"mixed editions: {', '.join(editions)}; the slowest sets the pace"] if len(editions) > 1 else []
