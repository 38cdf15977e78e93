"""Can a launch run on the cards that an instance gets, and what goes on beside it? Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from glmprov import topology
from glmprov.catalog.models import Model
from glmprov.fit.asked import Asked
from glmprov.fit.constants import GIB
from glmprov.fit.hosts import HostFit, Strategy, unmet
from glmprov.fit.seats import Host, Seat, memory_of, on_cards
from glmprov.hardware import Hardware
from glmprov.recipe.model import Requirements
from glmprov.state import Unknown


def on_chosen(
    model: Model,
    asked: Asked,
    host: Host,
    keys: Sequence[str],
    name: str,
    *,
    requires: Requirements | None = None,
    reasons: tuple[str, ...] = (),
) -> HostFit:
    """Hold a launch against the cards that the instance `name` gets, by their keys.

    What is held of the cards that it has now is its own, and free by then; what is held of others isn't.
    """
    chosen = set(keys)
    members = [card for card in topology.read(host.hardware).cards if card.key in chosen]
    freed = replace(host, hardware=_without(host.hardware, host.holders.get(name, ())))
    seat = on_cards(model, asked, freed, keys, reasons=reasons)
    unfit = (*unmet(requires, host, members), *_reasons(seat, members, freed.hardware))
    seats, notes = ((seat,), seat.alone.notes) if seat else ((), ())
    return HostFit(seats, None if unfit else _strategy(host, chosen, name), unfit, notes, host.serving)


def _without(hardware: Hardware, keys: Collection[str]) -> Hardware:
    """Return the hardware as if nobody held memory of some cards."""
    if isinstance(hardware.gpus, Unknown):
        return hardware
    gpus = (replace(gpu, memory_used_bytes=0) if gpu.uuid in keys else gpu for gpu in hardware.gpus)
    return replace(hardware, gpus=tuple(gpus))


def _reasons(seat: Seat | None, members: Sequence[topology.Card], hardware: Hardware) -> Iterator[str]:
    if seat is None:
        yield "the memory of its cards isn't known: no driver answers, and the catalog doesn't have them"
    elif not seat.alone.fits:
        yield from seat.alone.reasons
    elif not seat.now.fits:
        memory = {member.key: memory_of(member, hardware) for member in members}
        held = [
            f"{card.used_bytes / GIB:.2f} GiB of {key}"
            for key, card in memory.items()
            if card and card.used_bytes
        ]
        yield f"others hold {', '.join(held)}: {'; '.join(seat.now.reasons)}"


def _strategy(host: Host, chosen: Collection[str], name: str) -> Strategy:
    """Return how it comes to run: an instance that serves is stopped before its successor starts."""
    beside = [other for other in host.serving if other != name]
    if name not in host.serving:
        return Strategy.SIDE_BY_SIDE if beside else Strategy.START
    replaced = _sockets(host, {*chosen, *host.holders.get(name, ())})
    others = (_sockets(host, host.holders.get(other, ())) for other in beside)
    return Strategy.ONE_SOCKET if any(at and not at & replaced for at in others) else Strategy.SWAP


def _sockets(host: Host, keys: Collection[str]) -> set[int]:
    return {card.socket for card in topology.read(host.hardware).cards if card.key in keys}
