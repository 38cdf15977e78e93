"""Where the cards sit: sockets, switches, and sets for tensor parallel. Pure; needs no driver."""

from glmprov.topology.cards import NO_VM, Card, Kind, Topology, cards, read
from glmprov.topology.explain import ExplainedSet, Member, driver_is_missing, explain
from glmprov.topology.named import NamedSets, named_faults
from glmprov.topology.placement import UNKNOWN_SOCKET, places, sockets_by_node, sysfs_bus_id
from glmprov.topology.sets import NONE_NAMED, SET_SIZES, GpuSet, cards_by_socket, gpu_sets

__all__ = [
    "NONE_NAMED",
    "NO_VM",
    "SET_SIZES",
    "UNKNOWN_SOCKET",
    "Card",
    "ExplainedSet",
    "GpuSet",
    "Kind",
    "Member",
    "NamedSets",
    "Topology",
    "cards",
    "cards_by_socket",
    "driver_is_missing",
    "explain",
    "gpu_sets",
    "named_faults",
    "places",
    "read",
    "sockets_by_node",
    "sysfs_bus_id",
]
