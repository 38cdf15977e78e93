"""A launch on the cards that an instance gets: their memory, who holds it, and what goes on beside it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.fit.launches import FP8, sglang
from unit.fit.test_seats import FULL, GIB, hardware
from unit.summary import uuid

from glmprov.fit import asked_by, model_of
from glmprov.fit.chosen import on_chosen
from glmprov.fit.hosts import HostFit, Strategy
from glmprov.fit.seats import Host
from glmprov.hardware import Gpu, Hardware
from glmprov.recipe.launch import Launch
from glmprov.recipe.model import Requirements
from glmprov.state import Unknown


def cards(*numbers: int) -> tuple[str, ...]:
    return tuple(uuid(number) for number in numbers)


LEFT, RIGHT = cards(0, 1, 2, 3), cards(4, 5, 6, 7)


def chosen(
    host: Host,
    keys: tuple[str, ...] = LEFT,
    launch: Launch | None = None,
    requires: Requirements | None = None,
) -> HostFit:
    asked = asked_by(launch or sglang(0.95))
    model, _ = model_of(asked.model)
    return on_chosen(model, asked, host, keys, "glm", requires=requires)


def with_card(found: Hardware, number: int, **changes: object) -> Hardware:
    """Return the hardware with one card otherwise."""
    assert not isinstance(found.gpus, Unknown)

    def changed(gpu: Gpu) -> Gpu:
        return replace(gpu, **changes) if gpu.uuid == uuid(number) else gpu  # type: ignore[arg-type]

    return replace(found, gpus=tuple(map(changed, found.gpus)))


STRATEGIES = {
    "nothing runs": (Host(hardware("turin-8x-server")), LEFT, Strategy.START),
    "another serves on the other socket": (
        Host(
            hardware("turin-8x-server", dict.fromkeys(range(4, 8), 90.0)),
            serving=("b",),
            holders={"b": RIGHT},
        ),
        LEFT,
        Strategy.SIDE_BY_SIDE,
    ),
    "it is replaced while another serves on the other socket": (
        Host(hardware("turin-8x-server", FULL), serving=("glm", "b"), holders={"glm": LEFT, "b": RIGHT}),
        LEFT,
        Strategy.ONE_SOCKET,
    ),
    "it is replaced, and the other one is stopped already": (
        Host(hardware("turin-8x-server", FULL), serving=("glm",), holders={"glm": LEFT, "b": RIGHT}),
        LEFT,
        Strategy.SWAP,
    ),
    "it is replaced while another serves on the same socket": (
        Host(
            hardware("turin-8x-server", dict.fromkeys(range(4), 90.0)),
            serving=("glm", "b"),
            holders={"glm": cards(0, 1), "b": cards(2, 3)},
        ),
        cards(0, 1),
        Strategy.SWAP,
    ),
    "it is replaced by one on all cards": (
        Host(hardware("turin-8x-server", FULL), serving=("glm",), holders={"glm": LEFT + RIGHT}),
        LEFT + RIGHT,
        Strategy.SWAP,
    ),
    "what it left behind is its own": (
        Host(hardware("turin-8x-server", FULL), holders={"glm": LEFT}),
        LEFT,
        Strategy.START,
    ),
}


@pytest.mark.parametrize(("host", "keys", "strategy"), STRATEGIES.values(), ids=STRATEGIES)
def test_the_way_in_is_told_by_what_serves(host: Host, keys: tuple[str, ...], strategy: Strategy) -> None:
    model = "zai-org/GLM-4.7-Flash" if len(keys) == 2 else FP8
    found = chosen(host, keys, sglang(0.95, tp_size=str(len(keys)), model_path=model))
    assert found.strategy is strategy
    assert found.seat is not None and found.seat.keys == keys


def test_a_card_that_others_hold_is_told_though_another_set_is_free() -> None:
    found = chosen(Host(hardware("turin-8x-server", {2: 12.0})))
    assert found.strategy is None
    (reason,) = found.reasons
    assert reason.startswith(f"others hold 12.00 GiB of {uuid(2)}: ")
    assert chosen(Host(hardware("turin-8x-server", {2: 12.0})), RIGHT).strategy is Strategy.START


def test_of_more_cards_than_it_has_the_new_ones_must_be_free() -> None:
    held = dict.fromkeys(range(4), 90.0)
    host = Host(hardware("turin-8x-server", held), serving=("glm",), holders={"glm": LEFT})
    assert chosen(host, LEFT + RIGHT, sglang(0.95, tp_size="8")).strategy is Strategy.SWAP
    busy = replace(host, hardware=hardware("turin-8x-server", {**held, 6: 90.0}))
    (reason,) = chosen(busy, LEFT + RIGHT, sglang(0.95, tp_size="8")).reasons
    assert reason.startswith(f"others hold 90.00 GiB of {uuid(6)}: ")


def test_the_card_with_the_least_memory_decides() -> None:
    small = with_card(hardware("turin-8x-server"), 1, memory_bytes=80 * GIB)
    assert chosen(Host(small)).strategy is None
    assert "before the first token" in chosen(Host(small)).reasons[0]
    assert chosen(Host(small), RIGHT).strategy is Strategy.START


def test_only_the_chosen_cards_must_be_of_a_required_edition() -> None:
    requires = Requirements(2, cards=("Server",))
    mixed = Host(hardware("mixed-4x"))
    told = {}
    for number in range(4):
        found = chosen(mixed, cards(number), requires=requires)
        told[found.seats[0].editions] = any("made for Server" in reason for reason in found.reasons)
    assert len(told) > 1
    assert told == {editions: editions != ("Server",) for editions in told}


def test_a_card_whose_memory_nobody_knows_is_no_place() -> None:
    (reason,) = chosen(Host(hardware("turin-8x-server")), ("GPU-gone",)).reasons
    assert "the memory of its cards isn't known" in reason
