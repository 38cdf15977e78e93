"""Sets of cards that an operator named in the inventory, held against the cards that are there. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from glmprov.hardware import Hardware
from glmprov.state import Unknown
from glmprov.topology.cards import Card, cards
from glmprov.topology.placement import sysfs_bus_id

NamedSets = Mapping[str, Sequence[str]]
"""UUIDs of cards by the set's name, as the inventory has them."""


def named_faults(hardware: Hardware, named: NamedSets) -> tuple[str, ...]:
    """Return why the sets can't be what the inventory says: a card that isn't there, or that is no UUID.

    Bus ids move when cards are moved, so the inventory must not hold them; the message has the card's UUID. Without a
    driver no UUID is known, and no set can be wrong.
    """
    if not named or isinstance(hardware.gpus, Unknown):
        return ()
    by_bus_id = {card.bus_id: card for card in cards(hardware)}
    keys = {card.key: card for card in by_bus_id.values()}
    return tuple(
        fault
        for name, wanted in named.items()
        for card in wanted
        for fault in _faults(f"glmprov_sets: {name}", card, by_bus_id, keys)
    )


def _faults(
    place: str, wanted: str, by_bus_id: Mapping[str, Card], keys: Mapping[str, Card]
) -> Iterator[str]:
    if not wanted.startswith("GPU-"):
        found = by_bus_id.get(sysfs_bus_id(wanted if wanted.count(":") == 2 else f"0000:{wanted}"))
        instead = f"write {found.key}" if found else "there is no card at it"
        yield f"{place}: {wanted} is a bus id, and those move with the slots: {instead}"
    elif wanted not in keys:
        yield f"{place}: no card {wanted}; the host has {', '.join(sorted(keys)) or 'none'}"
    elif keys[wanted].passed_through:
        yield f"{place}: {wanted} is given to a virtual machine (vfio-pci)"


def chosen(named: NamedSets, found: Sequence[Card]) -> dict[str, tuple[Card, ...]]:
    """Return the cards of each named set, in its order; of cards that aren't there none."""
    by_key = {card.key: card for card in found}
    picked = {name: tuple(by_key[key] for key in wanted if key in by_key) for name, wanted in named.items()}
    return {name: members for name, members in picked.items() if members}
