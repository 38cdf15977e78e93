"""Can a host run a launch, and how does it take the place of what runs there? Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from glmprov import topology
from glmprov.catalog.models import Model
from glmprov.fit.asked import Asked
from glmprov.fit.seats import Host, Seat, seats_of
from glmprov.fit.version import at_least
from glmprov.recipe.model import Requirements


class Strategy(StrEnum):
    """How a launch comes to run on a host where others may run."""

    START = "start"
    """Nothing runs there."""
    SIDE_BY_SIDE = "side by side"
    """It fits beside what runs."""
    ONE_SOCKET = "one socket at a time"
    """What runs on one set of cards is replaced while the other set serves."""
    SWAP = "swap"
    """What runs must stop first."""


@dataclass(frozen=True)
class HostFit:
    """A launch on one host. strategy None: it can't run there, and reasons say why."""

    seats: tuple[Seat, ...]
    strategy: Strategy | None = None
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    serving: tuple[str, ...] = ()

    @property
    def seat(self) -> Seat | None:
        """The first cards that it fits on; where it must not wait for others, cards that are free."""
        fitting = [seat for seat in self.seats if seat.alone.fits]
        return next((seat for seat in fitting if seat.now.fits), fitting[0] if fitting else None)


def on_host(
    model: Model,
    asked: Asked,
    host: Host,
    *,
    requires: Requirements | None = None,
    wanted_tokens: int | None = None,
    reasons: tuple[str, ...] = (),
) -> HostFit:
    """Hold a launch against every set of a host's cards that is large enough."""
    cards = topology.read(host.hardware).cards
    seats = tuple(seats_of(model, asked, host, wanted_tokens, reasons))
    unfit = (*unmet(requires, host, cards), *_cards_missing(asked, seats, cards))
    best = max(seats, key=lambda seat: seat.alone.context_tokens, default=None)
    if not unfit and best is not None and not any(seat.alone.fits for seat in seats):
        unfit = best.alone.reasons
    notes = best.alone.notes if best else ()
    if unfit:
        return HostFit(seats, None, unfit, notes, host.serving)
    return HostFit(seats, _strategy(seats, host), (), notes, host.serving)


def unmet(requires: Requirements | None, host: Host, cards: Sequence[topology.Card]) -> Iterator[str]:
    """Yield what a recipe requires of cards and driver and doesn't get."""
    if requires is None:
        return
    others = sorted({card.edition for card in cards} - set(requires.cards))
    if requires.cards and others:
        yield f"made for {', '.join(requires.cards)}; there are {', '.join(others)}"
    version = host.driver_version
    if (
        isinstance(version, str)
        and requires.minimum_driver
        and not at_least(version, requires.minimum_driver)
    ):
        yield f"driver {version} is there, {requires.minimum_driver} is the oldest that will do"


def _cards_missing(asked: Asked, seats: Sequence[Seat], cards: Sequence[topology.Card]) -> Iterator[str]:
    if seats:
        return
    if len(cards) < asked.layout.gpus:
        yield f"{asked.layout.text} takes {asked.layout.gpus} GPUs, there are {len(cards)}"
    else:
        yield "the memory of the cards isn't known: no driver answers, and the catalog doesn't have them"


def _strategy(seats: Sequence[Seat], host: Host) -> Strategy:
    fitting = [seat for seat in seats if seat.alone.fits]
    busy = any(seat.busy for seat in seats) or bool(host.serving)
    if any(seat.now.fits for seat in fitting):
        return Strategy.SIDE_BY_SIDE if busy else Strategy.START
    return Strategy.ONE_SOCKET if _one_goes_on(fitting, host) else Strategy.SWAP


def _one_goes_on(fitting: Sequence[Seat], host: Host) -> bool:
    """Return whether a set can be emptied while an instance on cards of other sockets goes on.

    Where we don't know which instance has which cards, two that serve are taken to have a set each.
    """

    def beside(seat: Seat) -> bool:
        others = [other for other in fitting if other.busy and not set(other.sockets) & set(seat.sockets)]
        if not host.holders:
            return bool(others) and len(host.serving) > 1
        free_of_it = [set(keys) for keys in host.holders.values() if not set(keys) & set(seat.keys)]
        return any(keys & set(other.keys) for other in others for keys in free_of_it)

    return any(beside(seat) for seat in fitting)
