"""Stop a unit, prove that its cards are free, and start it anew, in one go on the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from glmprov.engines.stages import Stage
from glmprov.errors import GlmprovError
from glmprov.operate import cards, service
from glmprov.operate.asking import Fault, ask
from glmprov.remote import Channel

PARTS = ("cards", "service", "swapping")


@dataclass(frozen=True)
class Swapped:
    """What came of a swap: how long each part took, whom of ours we ended, and what the start said."""

    seconds: float
    stop_seconds: float
    ended: tuple[cards.Process, ...]
    start: service.Started


def swap(
    channel: Channel,
    host: str,
    unit: str,
    uuids: Sequence[str],
    *,
    marks: Sequence[str],
    stop_seconds: float,
    start_seconds: float,
    stages: Sequence[Stage] = (),
    heard: Callable[[str], object] | None = None,
) -> Swapped:
    """Stop the unit if it runs, prove that nobody holds memory of the cards, start the unit, wait for its gate.

    marks are as in cards.free, the limits the unit's own. A failed start is no error here. Raise ApplyError if it
    doesn't stop, or if somebody else holds memory of the cards.
    """
    orders = {
        "unit": unit,
        **cards.free_orders(uuids, marks),
        **service.start_orders(stages),
    }

    def progress(said: Mapping[str, Any]) -> None:
        if heard is not None:
            heard(str(service.StageProgress(**said)) if "stage" in said else cards.waiting(said))

    def explain(fault: Fault, host: str) -> GlmprovError:
        of_unit = fault.kind in ("does-not-stop", "systemd")
        return service.explained(fault, host, unit) if of_unit else cards.explained(fault, host)

    deadline = stop_seconds + start_seconds + cards.LIMIT_SECONDS + 2 * service.MARGIN_SECONDS
    said = ask(
        channel, host, PARTS, "swap", orders, deadline_seconds=deadline, explain=explain, heard=progress
    )
    return Swapped(
        said["seconds"],
        said["stop_seconds"],
        cards.processes(said["freed"]["ended"]),
        service.started(said["start"]),
    )
