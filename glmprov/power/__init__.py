"""The power limit of each card: a default that only lowers, or an order from the inventory. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from glmprov import catalog
from glmprov.hardware import Gpu
from glmprov.state import Unknown


@dataclass(frozen=True)
class Limits:
    """Power limits in watts by UUID with their reasons, what a person should know, and what can't be done."""

    watts: Mapping[str, int]
    reasons: Mapping[str, str]
    notes: tuple[str, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True)
class _Verdict:
    """What is to be done with one card: a limit, a note that it is left alone, or a fault."""

    watts: int | None = None
    reason: str = ""
    note: str = ""
    fault: str = ""


def limits(
    gpus: Collection[Gpu], order: int | Mapping[str, int | None] | None, applied: Collection[str] = ()
) -> Limits:
    """Given the cards, the inventory's order and the UUIDs whose limit is ours already, return the limits.

    Without an order the catalog's target is a cap: a card that is held below it is left alone, unless its
    limit is ours already, and a card that can't be set to it is left alone. An order is never above the
    card's maximum nor below its minimum. A card that the catalog doesn't have is acted on only when it is
    named by its UUID.
    """
    verdicts = {gpu.uuid: _judge(gpu, order, gpu.uuid in applied) for gpu in gpus}
    strangers = tuple(_strangers(order, verdicts))
    return Limits(
        watts={uuid: v.watts for uuid, v in verdicts.items() if v.watts is not None},
        reasons={uuid: v.reason for uuid, v in verdicts.items() if v.watts is not None},
        notes=tuple(f"{uuid}: {v.note}" for uuid, v in verdicts.items() if v.note),
        faults=(*(f"{uuid}: {v.fault}" for uuid, v in verdicts.items() if v.fault), *strangers),
    )


def _strangers(order: int | Mapping[str, int | None] | None, known: Collection[str]) -> Iterator[str]:
    if isinstance(order, Mapping):
        for uuid in order:
            if uuid not in known:
                yield f"{uuid}: gpu_power_limit_watts names it, the host has {', '.join(known) or 'no card'}"


def _judge(gpu: Gpu, order: int | Mapping[str, int | None] | None, applied: bool) -> _Verdict:
    if isinstance(order, Mapping) and gpu.uuid in order:
        watts = order[gpu.uuid]
        return (
            _Verdict(note="power limit left alone, as the inventory says")
            if watts is None
            else _ordered(gpu, watts)
        )
    card = catalog.load().card(name=gpu.name)
    if card is None:
        return _Verdict(note=f"{gpu.name} isn't in the catalog: power limit left alone")
    if isinstance(order, int):
        return _ordered(gpu, order)
    return _capped(gpu, card.target_watts, applied)


def _ordered(gpu: Gpu, watts: int) -> _Verdict:
    lowest, highest = gpu.min_limit_watts, gpu.max_limit_watts
    if isinstance(highest, Unknown) or isinstance(lowest, Unknown):
        return _Verdict(fault=f"{watts} W can't be checked against {gpu.name}, which doesn't say its limits")
    if watts > highest:
        return _Verdict(
            fault=f"gpu_power_limit_watts asks for {watts} W, {gpu.name} takes {highest} W at most"
        )
    if watts < lowest:
        return _Verdict(
            fault=f"gpu_power_limit_watts asks for {watts} W, {gpu.name} takes {lowest} W at least"
        )
    return _Verdict(watts, "inventory")


def _capped(gpu: Gpu, target: int, applied: bool) -> _Verdict:
    lowest, highest, current = gpu.min_limit_watts, gpu.max_limit_watts, gpu.power_limit_watts
    if isinstance(highest, Unknown) or isinstance(lowest, Unknown):
        return _Verdict(note=f"{gpu.name} doesn't say which limits it takes: power limit left alone")
    if highest < target:
        return _Verdict(
            note=f"{gpu.name} takes {highest} W at most, below the {target} W cap: power limit left alone"
        )
    if lowest > target:
        return _Verdict(
            note=f"{gpu.name} takes {lowest} W at least, above the {target} W cap: power limit left alone"
        )
    if not applied and not isinstance(current, Unknown) and current < target:
        return _Verdict(note=f"held at {current} W, below the {target} W cap: power limit left alone")
    return _Verdict(target, f"default cap of {target} W for this edition (takes {lowest} to {highest} W)")
