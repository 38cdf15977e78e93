"""Sets of cards for tensor parallel: inside one socket where they exist. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from glmprov.hardware import Hardware
from glmprov.topology.cards import Card, read
from glmprov.topology.named import NamedSets, chosen
from glmprov.topology.placement import UNKNOWN_SOCKET

SET_SIZES = (4, 2, 1)
"""Sizes of a set, largest first: tensor parallel wants a power of two, and GLM-4.7 FP8 fits on four cards."""


@dataclass(frozen=True)
class GpuSet:
    """Cards for one tensor-parallel group.

    cpus and node are where its process belongs; node None: on several, or unknown. name is the inventory's, "" for a
    set that was made from what is left.
    """

    keys: tuple[str, ...]
    node: int | None
    cpus: tuple[int, ...]
    reason: str
    editions: tuple[str, ...]
    crosses_sockets: bool = False
    name: str = ""


NONE_NAMED: NamedSets = MappingProxyType({})


def cards_by_socket(hardware: Hardware, but: Collection[str] = ()) -> dict[int, tuple[Card, ...]]:
    """Return our cards by socket, or UNKNOWN_SOCKET; cards behind one bridge are side by side. but: without these."""
    found = [card for card in read(hardware).cards if card.key not in but]
    return {
        socket: tuple(_side_by_side([card for card in found if card.socket == socket]))
        for socket in sorted({card.socket for card in found}, key=lambda socket: (socket < 0, abs(socket)))
    }


def _side_by_side(members: Sequence[Card]) -> list[Card]:
    """Return cards so that those which share the most bridges are neighbors, the largest families first."""

    def family(card: Card) -> tuple[int, str]:
        shared = [sum(bridge in other.path for other in members) for bridge in card.path]
        size = max((count for count in shared if count > 1), default=0)
        first = min((o.bus_id for o in members if set(o.path) & set(card.path)), default=card.bus_id)
        return (-size, first)

    return sorted(members, key=lambda card: (*family(card), card.path, card.bus_id))


def gpu_sets(hardware: Hardware, named: NamedSets = NONE_NAMED) -> tuple[GpuSet, ...]:
    """Return sets of cards for tensor parallel: those that the inventory names, and what the other cards make.

    Of the other cards each is in one set, each set inside one socket, largest first. Where no socket holds four of them
    but the host does, one more set of four follows that crosses sockets.
    """
    by_name = chosen(named, read(hardware).cards)
    taken = {card.key for members in by_name.values() for card in members}
    return (
        *(_named(hardware, name, members) for name, members in by_name.items()),
        *_made(hardware, cards_by_socket(hardware, taken)),
    )


def _made(hardware: Hardware, sockets: Mapping[int, Sequence[Card]]) -> tuple[GpuSet, ...]:
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


def _named(hardware: Hardware, name: str, members: Sequence[Card]) -> GpuSet:
    sockets = {card.socket for card in members}
    crosses = len(sockets) > 1 and UNKNOWN_SOCKET not in sockets
    reason = "; ".join(
        ["named in the inventory", *(["crosses sockets"] if crosses else []), *_mixed(members)]
    )
    return replace(_gpu_set(hardware, members, reason, crosses), name=name)


def _set(hardware: Hardware, members: Sequence[Card], socket: int) -> GpuSet:
    where = {UNKNOWN_SOCKET: "socket unknown"}.get(
        socket, "inside one socket" if socket < 0 else f"inside socket {socket}"
    )
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
