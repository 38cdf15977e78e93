"""The last of several values wins."""

from __future__ import annotations

from dataclasses import replace

from glmprov.engines.faults import Fault, Given, Kind


def last_wins(given: list[Given]) -> tuple[Given, ...]:
    """Return the flags with those marked whose destination a later one writes."""
    last = {each.flag.destination: number for number, each in enumerate(given)}
    return tuple(
        each if each.flag.appends or last[each.flag.destination] == number else replace(each, wins=False)
        for number, each in enumerate(given)
    )


def overridden(given: tuple[Given, ...]) -> list[Fault]:
    """Return a fault for each flag that a later one defeats."""
    winners = {each.flag.destination: each for each in given if each.wins}
    return [
        Fault(
            Kind.OVERRIDDEN,
            f"{_shown(each)} has no effect: {_shown(winners[each.flag.destination])} comes later",
            each.index,
            each.typed,
            flag=each.flag,
        )
        for each in given
        if not each.wins
    ]


def _shown(given: Given) -> str:
    return " ".join((given.name, *given.values))


def in_order(faults: list[Fault]) -> list[Fault]:
    """Return faults by their place in the argument list, those of no place last."""
    return sorted(faults, key=lambda fault: (fault.index is None, fault.index or 0))
