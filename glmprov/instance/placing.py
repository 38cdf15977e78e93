"""Which cards an instance gets: the ones that somebody named, or free ones, inside one socket first. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from glmprov.hardware import Hardware
from glmprov.topology import NONE_NAMED, Card, NamedSets, cards_by_socket, read


@dataclass(frozen=True)
class Placement:
    """The cards that were found, in the order in which the engine's ranks take them, or every reason why not."""

    cards: tuple[Card, ...] = ()
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def cpus(self, hardware: Hardware) -> tuple[int, ...]:
        """Return the CPUs of the cards' NUMA nodes, none where a node is unknown or where they are all there are."""
        inside = set(self.nodes(hardware))
        return tuple(sorted(c for node in hardware.numa_nodes if node.node_id in inside for c in node.cpus))

    def nodes(self, hardware: Hardware) -> tuple[int, ...]:
        """Return the cards' NUMA nodes, none where one is unknown or where they are all there are."""
        nodes = {card.node for card in self.cards}
        if None in nodes or len(nodes) >= len(hardware.numa_nodes):
            return ()
        return tuple(sorted(node for node in nodes if node is not None))


def place(
    hardware: Hardware,
    count: int,
    taken: Mapping[str, str],
    asked: str = "",
    named: NamedSets = NONE_NAMED,
    prefer: Sequence[str] = (),
) -> Placement:
    """Return cards for an instance. taken is who has a card, by UUID; asked and prefer as in Wanted."""
    if asked and not asked.isdigit():
        return _chosen(hardware, count, taken, asked, named)
    if asked and int(asked) != count:
        return Placement(faults=(f"--gpus {asked}: the launch takes {count}",))
    present = read(hardware).cards
    free = [card for card in present if card.key not in taken]
    if len(free) < count:
        return Placement(faults=(_too_few(count, len(present), free, taken),))
    kept = {card.key: card for card in free if card.key in prefer}
    if len(kept) == len(prefer) == count:
        return Placement(tuple(kept[key] for key in prefer))
    found = _set_that_fits(count, taken, present, named) or _inside_a_socket(hardware, count, taken)
    if found:
        return Placement(found)
    return _across(hardware, count, taken)


def _too_few(count: int, present: int, free: Sequence[Card], taken: Mapping[str, str]) -> str:
    if present < count:
        return f"requires.gpus: {count} needed, the host has {present}"
    owners = sorted(set(taken.values()))
    names = [owner.removeprefix("instance ") for owner in owners if owner.startswith("instance ")]
    instead = f"; to take the place of one: {', '.join(f'--name {name}' for name in names)}" if names else ""
    return f"requires.gpus: {count} needed, {len(free)} of {present} free; {', '.join(owners)} has the others{instead}"


def _set_that_fits(
    count: int, taken: Mapping[str, str], present: Sequence[Card], named: NamedSets
) -> tuple[Card, ...]:
    """Return the first set of the inventory that has just so many cards, all of them free."""
    by_key = {card.key: card for card in present}
    fitting = (keys for keys in named.values() if len(keys) == count and all(k in by_key for k in keys))
    return next((tuple(by_key[k] for k in keys) for keys in fitting if not taken.keys() & set(keys)), ())


def _inside_a_socket(hardware: Hardware, count: int, taken: Mapping[str, str]) -> tuple[Card, ...]:
    """Return free cards of the socket that has the fewest of them and still enough, so that larger ones stay whole."""
    sockets = cards_by_socket(hardware, taken.keys())
    enough = sorted((len(cards), socket) for socket, cards in sockets.items() if len(cards) >= count)
    return sockets[enough[0][1]][:count] if enough else ()


def _across(hardware: Hardware, count: int, taken: Mapping[str, str]) -> Placement:
    """Return free cards of several sockets, socket after socket, so that ranks that belong together stay so."""
    sockets = sorted(cards_by_socket(hardware, taken.keys()).values(), key=len, reverse=True)
    found = tuple(card for cards in sockets for card in cards)[:count]
    return Placement(found, notes=(f"its {count} cards are on several sockets: no socket has so many free",))


def _chosen(
    hardware: Hardware, count: int, taken: Mapping[str, str], asked: str, named: NamedSets
) -> Placement:
    by_key = {card.key: card for card in read(hardware).cards}
    faults, found = [], []
    for word in named.get(asked) or [word.strip() for word in asked.split(",") if word.strip()]:
        matching = [key for key in by_key if key.startswith(word)]
        if len(matching) != 1:
            known = ", ".join(sorted({*by_key, *named})) or "none"
            faults.append(f"--gpus: {word} is no card and no set of the host; there are {known}")
        elif matching[0] in taken:
            faults.append(f"--gpus: {taken[matching[0]]} has {matching[0]}")
        else:
            found.append(by_key[matching[0]])
    if not faults and len(found) != count:
        faults.append(f"--gpus: {len(found)} cards, the launch takes {count}")
    return Placement((), tuple(faults)) if faults else Placement(tuple(found))
