"""The power limit of each card: a default that only lowers, or an order from the inventory. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from glmprov import catalog
from glmprov.hardware import Gpu
from glmprov.power.budget import Share, arithmetic, held, least, level
from glmprov.state import Unknown

Order = int | Mapping[str, int | None] | None


@dataclass(frozen=True)
class Limits:
    """Power limits in watts by UUID with their reasons, what a person should know, and what can't be done."""

    watts: Mapping[str, int]
    reasons: Mapping[str, str]
    notes: tuple[str, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True)
class _Verdict:
    """What is to be done with one card: a limit, a note that it is left alone, or a fault.

    ordered: the inventory says so for this card, so a budget doesn't change it.
    """

    watts: int | None = None
    reason: str = ""
    note: str = ""
    fault: str = ""
    ordered: bool = False


def limits(
    gpus: Collection[Gpu], order: Order, applied: Collection[str] = (), budget_watts: int | None = None
) -> Limits:
    """Given the cards, the inventory's order and budget and the UUIDs whose limit is ours already, return the limits.

    Without an order the catalog's target is a cap, which never raises: a card that is held below it keeps its
    limit, and a card that can't be set to it is left alone. An order is never above the card's maximum nor
    below its minimum. A card that the catalog doesn't have is acted on only when it is named by its UUID. With a
    budget the caps are lowered evenly until all cards together stay within it; an order above it is a fault.
    """
    verdicts = {gpu.uuid: _judge(gpu, order, gpu.uuid in applied) for gpu in gpus}
    faults = [f"{uuid}: {v.fault}" for uuid, v in verdicts.items() if v.fault]
    faults += _strangers(order, verdicts)
    if budget_watts is not None and not faults:
        verdicts, faults = _within(gpus, verdicts, budget_watts)
    return Limits(
        watts={uuid: v.watts for uuid, v in verdicts.items() if v.watts is not None},
        reasons={uuid: v.reason for uuid, v in verdicts.items() if v.watts is not None},
        notes=tuple(_notes(verdicts)),
        faults=tuple(faults),
    )


def _notes(verdicts: Mapping[str, _Verdict]) -> Iterator[str]:
    """Yield what a person should know of each card; once, if it is the same of every card."""
    texts = {verdict.note for verdict in verdicts.values()}
    if len(verdicts) > 1 and len(texts) == 1:
        yield from (f"every card: {text}" for text in texts if text)
    else:
        yield from (f"{uuid}: {verdict.note}" for uuid, verdict in verdicts.items() if verdict.note)


def _strangers(order: Order, known: Collection[str]) -> Iterator[str]:
    if isinstance(order, Mapping):
        for uuid in order:
            if uuid not in known:
                yield f"{uuid}: gpu_power_limit_watts names it, the host has {', '.join(known) or 'no card'}"


def _judge(gpu: Gpu, order: Order, applied: bool) -> _Verdict:
    if isinstance(order, Mapping) and gpu.uuid in order:
        watts = order[gpu.uuid]
        return (
            _Verdict(note="power limit left alone, as the inventory says", ordered=True)
            if watts is None
            else _ordered(gpu, watts)
        )
    card = catalog.load().card(name=gpu.name)
    if card is None:
        return _Verdict(note=f"{gpu.name} isn't in the catalog: power limit left alone", ordered=True)
    if isinstance(order, int):
        return _ordered(gpu, order)
    return _capped(gpu, card.target_watts, applied)


def _ordered(gpu: Gpu, watts: int) -> _Verdict:
    lowest, highest, current = gpu.min_limit_watts, gpu.max_limit_watts, gpu.power_limit_watts
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
    raises = not isinstance(current, Unknown) and watts > current
    return _Verdict(watts, f"inventory; raises it from {current} W" if raises else "inventory", ordered=True)


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
    if isinstance(current, Unknown) or current >= target:
        return _Verdict(target, f"default cap of {target} W for this edition (takes {lowest} to {highest} W)")
    if not applied:
        return _Verdict(note=f"held at {current} W, below the {target} W cap: power limit left alone")
    # Ours already, so the boot unit must know it: at the next boot the card would be back at its default.
    why = f"held at {current} W, below the {target} W cap: raised only on order"
    return _Verdict(current, why, note=f"{why} (gpu_power_limit_watts)")


def _within(
    gpus: Collection[Gpu], verdicts: Mapping[str, _Verdict], budget_watts: int
) -> tuple[dict[str, _Verdict], list[str]]:
    """Return the verdicts within the budget, and why that can't be."""
    shares = {gpu.uuid: _share(gpu, verdicts[gpu.uuid]) for gpu in gpus}
    unknown = [uuid for uuid, share in shares.items() if share is None]
    if unknown:
        return dict(verdicts), [
            f"gpu_power_budget_watts {budget_watts}: {uuid} doesn't say its limit" for uuid in unknown
        ]
    known = {uuid: share for uuid, share in shares.items() if share is not None}
    common = level(known.values(), budget_watts)
    if common is None:
        terms = arithmetic({uuid: (share.lowest, share.what) for uuid, share in known.items()})
        over = least(known.values()) - budget_watts
        return dict(verdicts), [f"gpu_power_budget_watts {budget_watts}: {terms}, {over} W above it"]
    given = {uuid: held(share, common) for uuid, share in known.items()}
    terms = arithmetic({uuid: (watts, "") for uuid, watts in given.items()})
    why = f"budget of {budget_watts} W for {len(given)} cards: {terms}"
    full = budget_watts - sum(given.values()) < len(given)
    return {
        uuid: replace(verdict, watts=given[uuid], reason=why, note="")
        if given[uuid] < known[uuid].highest or (full and verdict.watts is not None and not verdict.ordered)
        else verdict
        for uuid, verdict in verdicts.items()
    }, []


def _share(gpu: Gpu, verdict: _Verdict) -> Share | None:
    """Return what a card may be given under a budget; None if it doesn't say what it has now."""
    watts = verdict.watts if verdict.watts is not None else gpu.power_limit_watts
    if isinstance(watts, Unknown):
        return None
    if verdict.ordered:
        return Share(watts, watts, "ordered" if verdict.watts is not None else "left alone")
    lowest = gpu.min_limit_watts
    if isinstance(lowest, Unknown):
        return Share(watts, watts, "left alone")
    return Share(min(lowest, watts), watts, "at least")
