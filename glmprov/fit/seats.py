"""Cards of a host on which a launch could run: their memory, alone and as it is now. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from glmprov import topology
from glmprov.catalog.models import Model
from glmprov.fit.asked import Asked
from glmprov.fit.constants import GIB
from glmprov.fit.terms import Card
from glmprov.fit.verdict import Fit, fit
from glmprov.hardware import Gpu, Hardware
from glmprov.state import Unknown
from glmprov.topology import NamedSets

AN_ENGINE_HOLDS = GIB
"""Less on a card is a desktop: one holds about 0.5 GiB (AlexGS74/glm47-nvfp4-sm120, its serve script)."""


@dataclass(frozen=True)
class Seat:
    """Cards for one launch. alone: nobody else holds any of them; now: as they are. name is the inventory's."""

    keys: tuple[str, ...]
    sockets: tuple[int, ...]
    editions: tuple[str, ...]
    alone: Fit
    now: Fit
    name: str = ""

    @property
    def busy(self) -> bool:
        """Whether an engine holds memory of a card."""
        return self.now.card.used_bytes >= AN_ENGINE_HOLDS


@dataclass(frozen=True)
class Host:
    """What of a host counts here. holders: the instances that we know there, with the keys of their cards.

    driver_version counts where it is text: it may be unknown, or known later.
    """

    hardware: Hardware
    named: NamedSets = field(default_factory=dict)
    serving: tuple[str, ...] = ()
    driver_version: object = None
    holders: Mapping[str, Collection[str]] = field(default_factory=dict)


def on_cards(
    model: Model,
    asked: Asked,
    host: Host,
    keys: Sequence[str],
    *,
    wanted_tokens: int | None = None,
    reasons: tuple[str, ...] = (),
) -> Seat | None:
    """Hold a launch against cards that somebody chose, by their keys. None: the memory of one isn't known."""
    by_key = {card.key: card for card in topology.read(host.hardware).cards}
    members = [by_key[key] for key in keys if key in by_key]
    if len(members) < len(keys) or not all(memory_of(member, host.hardware) for member in members):
        return None
    return _seat(model, asked, members, host, wanted_tokens, reasons)


def seats_of(
    model: Model, asked: Asked, host: Host, wanted_tokens: int | None, reasons: tuple[str, ...]
) -> Iterator[Seat]:
    """Yield every set of a host's cards that is large enough, as far as the memory of its cards is known."""
    for members in _groups(host, asked.layout.gpus):
        if all(memory_of(member, host.hardware) for member in members):
            yield _seat(model, asked, members, host, wanted_tokens, reasons)


def _groups(host: Host, size: int) -> Iterator[tuple[topology.Card, ...]]:
    """Yield sets of so many cards: of the host's sets, then, where none is large enough, of several together."""
    cards = {card.key: card for card in topology.read(host.hardware).cards}
    sets = topology.gpu_sets(host.hardware, host.named)
    found = False
    for gpu_set in sets:
        for first in range(0, len(gpu_set.keys) - size + 1, size):
            found = True
            yield tuple(cards[key] for key in gpu_set.keys[first : first + size])
    if not found and len(cards) >= size:
        inside = [key for gpu_set in sets if not gpu_set.crosses_sockets for key in gpu_set.keys]
        yield tuple(cards[key] for key in inside[:size])


def _seat(
    model: Model,
    asked: Asked,
    members: Sequence[topology.Card],
    host: Host,
    wanted_tokens: int | None,
    reasons: tuple[str, ...],
) -> Seat:
    found = [card for member in members if (card := memory_of(member, host.hardware))]
    smallest = min(found, key=lambda card: card.usable_bytes)
    card = replace(smallest, used_bytes=max(card.used_bytes for card in found))

    def held(on: Card) -> Fit:
        return fit(model, asked, on, gpus=len(members), wanted_tokens=wanted_tokens, reasons=reasons)

    keys = tuple(member.key for member in members)
    return Seat(
        keys,
        tuple(sorted({member.socket for member in members})),
        tuple(sorted({member.edition for member in members})),
        alone=held(replace(card, used_bytes=0)),
        now=held(card),
        name=next((name for name, named in host.named.items() if set(named) >= set(keys)), ""),
    )


def memory_of(member: topology.Card, hardware: Hardware) -> Card | None:
    """Return a card's memory, by the driver, else by the catalog. None: neither knows it.

    NVML counts what the driver reserves as used.
    """
    gpu = _gpu(member, hardware)
    reserved = member.entry.reserved_mib * 2**20 if member.entry else 0
    if gpu is None or isinstance(gpu.memory_bytes, Unknown):
        if member.entry is None:
            return None
        return Card(member.entry.usable_bytes, f"{member.edition}, by the catalog: no driver answers")
    used = 0 if isinstance(gpu.memory_used_bytes, Unknown) else max(0, gpu.memory_used_bytes - reserved)
    return Card(gpu.memory_bytes - reserved, f"{member.edition}, by the driver", used)


def _gpu(member: topology.Card, hardware: Hardware) -> Gpu | None:
    gpus = () if isinstance(hardware.gpus, Unknown) else hardware.gpus
    return next((gpu for gpu in gpus if gpu.uuid == member.key), None)
