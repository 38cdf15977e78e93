"""Where the cards sit: sockets, switches, and sets for tensor parallel. Pure; needs no driver."""

from glmprov.topology.cards import NO_VM, Card, Kind, Topology, cards, read
from glmprov.topology.placement import UNKNOWN_SOCKET, places, sockets_by_node, sysfs_bus_id
from glmprov.topology.sets import SET_SIZES, GpuSet, cards_by_socket, gpu_sets

__all__ = [
    "NO_VM",
    "SET_SIZES",
    "UNKNOWN_SOCKET",
    "Card",
    "GpuSet",
    "Kind",
    "Topology",
    "cards",
    "cards_by_socket",
    "gpu_sets",
    "places",
    "read",
    "sockets_by_node",
    "sysfs_bus_id",
]
