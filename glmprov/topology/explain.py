"""Why the sets of cards are what they are, for a person who looks for four cards and finds two. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from glmprov.hardware import Hardware
from glmprov.state import Unknown
from glmprov.topology.cards import Card, cards
from glmprov.topology.named import NamedSets
from glmprov.topology.placement import UNKNOWN_SOCKET, gpus_by_bus_id
from glmprov.topology.sets import NONE_NAMED, SET_SIZES, GpuSet, gpu_sets

_TOLD = {"sysfs": "sysfs names the cards' NUMA node"}


@dataclass(frozen=True)
class Member:
    """A card of a set. index is the driver's number for it, uuid its UUID; both None without a driver.

    node and socket None: nothing tells; told_by is what did.
    """

    index: int | None
    uuid: str | None
    bus_id: str
    edition: str
    node: int | None
    socket: int | None
    told_by: str


@dataclass(frozen=True)
class ExplainedSet:
    """A set with its cards, why it is these and no more, and what it costs where it is unlucky."""

    found: GpuSet
    members: tuple[Member, ...]
    why: tuple[str, ...]


def explain(hardware: Hardware, named: NamedSets = NONE_NAMED) -> tuple[ExplainedSet, ...]:
    """Return the host's sets, each with its reasons."""
    by_key = {card.key: card for card in cards(hardware)}
    sets = gpu_sets(hardware, named)
    inside = [each for each in sets if not each.crosses_sockets or each.name]
    return tuple(
        ExplainedSet(
            each,
            tuple(_member(hardware, by_key[key]) for key in each.keys),
            tuple(_why(each, [by_key[key] for key in each.keys], inside, by_key)),
        )
        for each in sets
    )


def _member(hardware: Hardware, card: Card) -> Member:
    gpu = gpus_by_bus_id(hardware).get(card.bus_id)
    return Member(
        index=gpu.index if gpu else None,
        uuid=gpu.uuid if gpu else None,
        bus_id=card.bus_id,
        edition=card.edition,
        node=card.node,
        socket=card.socket if card.socket >= 0 else None,
        told_by=card.how,
    )


def _why(
    each: GpuSet, members: Sequence[Card], inside: Sequence[GpuSet], by_key: dict[str, Card]
) -> Iterator[str]:
    if each.name:
        yield "named in the inventory (glmprov_sets)"
        yield from _unusable(len(members))
    elif not each.crosses_sockets:
        yield from _size(each, members, inside, by_key)
    yield from _where(each, members)
    yield from _bridges(members)
    if len(each.editions) > 1:
        yield f"mixed editions ({', '.join(each.editions)}): the slowest sets the pace"


def _size(
    each: GpuSet, members: Sequence[Card], inside: Sequence[GpuSet], by_key: dict[str, Card]
) -> Iterator[str]:
    """Yield why a set has as many cards as it has: what its socket holds, cut into fours, twos and ones."""
    socket = members[0].socket
    here = [one for one in inside if not one.name and by_key[one.keys[0]].socket == socket]
    count = sum(len(one.keys) for one in here)
    place = _socket(socket)
    largest, size = SET_SIZES[0], len(members)
    named = [key for one in inside if one.name for key in one.keys if by_key[key].socket == socket]
    others = f", beside {len(named)} in named sets" if named else ""
    cards_are = f"{place} holds {count} card{'s' if count != 1 else ''}{others}"
    if size == largest:
        yield f"{cards_are}" + (f": sets of {largest} come first" if count != largest else "")
    elif here[0].keys == each.keys or len(here[0].keys) == size:
        yield f"{cards_are}: too few for {_next_larger(size)}, and a set takes {_sizes()}"
    else:
        larger = [len(one.keys) for one in here if len(one.keys) > size]
        yield f"left over: {cards_are}, of which {sum(larger)} are in larger sets; a set takes {_sizes()}"


def _next_larger(size: int) -> int:
    return min(each for each in SET_SIZES if each > size)


def _sizes() -> str:
    return f"{', '.join(map(str, SET_SIZES[:-1]))} or {SET_SIZES[-1]}"


def _unusable(size: int) -> Iterator[str]:
    if size & (size - 1):
        yield f"{size} cards: tensor parallel wants a power of two; an engine would take fewer of them, or refuse"


def _where(each: GpuSet, members: Sequence[Card]) -> Iterator[str]:
    sockets = sorted({card.socket for card in members})
    if each.crosses_sockets:
        if not each.name:
            yield f"no socket holds {len(members)} cards, and the host does: one set across sockets"
        yield (
            f"crosses {' and '.join(_socket(socket) for socket in sockets)}: each step of tensor parallel goes over "
            "the link between the CPUs, and no NUMA node is near all its cards"
        )
    for socket in sockets:
        if socket == UNKNOWN_SOCKET:
            yield "the firmware names no NUMA node, so nothing says that these are near each other"
        else:
            here = sorted({card.how for card in members if card.socket == socket})
            yield f"{_socket(socket)}: {'; '.join(_TOLD.get(how, how) for how in here)}"


def _socket(number: int) -> str:
    if number == UNKNOWN_SOCKET:
        return "an unknown socket"
    return f"socket {number}" if number >= 0 else f"socket {'abcdefgh'[UNKNOWN_SOCKET - 1 - number]}"


def _bridges(members: Sequence[Card]) -> Iterator[str]:
    """Yield which cards are behind one switch: the deepest bridge that each two have in common."""
    behind: dict[str, dict[str, None]] = {}
    for one, other in combinations(members, 2):
        shared = [bridge for bridge in one.path if bridge in other.path]
        if shared:
            behind.setdefault(shared[-1], {}).update(dict.fromkeys((one.bus_id, other.bus_id)))
    for bridge, below in behind.items():
        yield f"{' and '.join(below)} are behind one PCIe switch ({bridge})"
    if len(members) > 1 and not behind:
        yield "no two of them share a PCIe switch"


def driver_is_missing(hardware: Hardware, named: NamedSets) -> str:
    """Return what to say where named sets can't be found yet because no driver tells UUIDs; "" where they can."""
    if named and isinstance(hardware.gpus, Unknown):
        return f"the named sets are known when the driver answers: {hardware.gpus.reason}"
    return ""
