"""The cards as the plan sees them, and how they reach each other. Pure; needs no driver."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from glmprov import catalog
from glmprov.hardware import Gpu, Hardware, PciCard
from glmprov.topology.placement import UNKNOWN_SOCKET, Place, gpus_by_bus_id, places, sysfs_bus_id

NO_VM = frozenset(
    {None, "", "none", "systemd-nspawn", "lxc", "lxc-libvirt", "docker", "podman", "container-other"}
)
"""What systemd-detect-virt says where no hypervisor is between us and the PCI bus.

A container sees the real one.
"""


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
    that it doesn't have. node is None and socket UNKNOWN_SOCKET where nothing tells, below it where only the
    neighbors are known; how says what told it. path are the bridges from the root to the card.
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
    gpus, placed = gpus_by_bus_id(hardware), places(hardware)
    return tuple(
        _card(pci, gpus.get(sysfs_bus_id(pci.bus_id)), placed[pci.bus_id])
        for pci in sorted(hardware.cards, key=lambda pci: pci.bus_id)
    )


def _card(pci: PciCard, gpu: Gpu | None, place: Place) -> Card:
    entry = catalog.load().card(name=gpu.name) if gpu else catalog.load().card(device_id=pci.device_id)
    return Card(
        key=gpu.uuid if gpu else pci.bus_id,
        bus_id=pci.bus_id,
        edition=entry.edition if entry else gpu.name if gpu else pci.device_id,
        entry=entry,
        node=place.node,
        socket=place.socket,
        how=place.how,
        path=tuple(reversed(pci.bridges)),
        passed_through=pci.driver == "vfio-pci",
    )
