"""A budget is kept, nothing is raised, no card is brought below what it takes, and what is left over is small."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from unit.summary import observation, uuid

from glmprov.hardware import Gpu
from glmprov.power import limits
from glmprov.power.budget import arithmetic
from glmprov.state import Unknown

CARD = st.fixed_dictionaries(
    {"edition": st.sampled_from(["server", "workstation", "max-q", "h200"]), "limit": st.integers(300, 325)}
)
CARDS = st.lists(CARD, min_size=1, max_size=8)
HIGH = st.lists(
    st.fixed_dictionaries({"edition": st.sampled_from(["server", "workstation"])}), min_size=1, max_size=8
)


def gpus(cards: list[dict[str, object]]) -> tuple[Gpu, ...]:
    found = observation({"cards": cards, "driver": "580.95.05"}).hardware.gpus
    assert not isinstance(found, Unknown)
    return found


def given_watts(cards: tuple[Gpu, ...], watts: dict[str, int]) -> list[int]:
    return [watts.get(gpu.uuid, int(gpu.power_limit_watts)) for gpu in cards]  # type: ignore[call-overload]


@given(st.one_of(CARDS, HIGH), st.integers(1, 6000), st.booleans())
def test_a_budget_is_kept_or_refused(cards: list[dict[str, object]], budget: int, ours: bool) -> None:
    seen = gpus(cards)
    decided = limits(seen, None, [gpu.uuid for gpu in seen] if ours else (), budget)
    if decided.faults:
        assert len(decided.faults) == 1 and f"gpu_power_budget_watts {budget}: " in decided.faults[0]
        return
    watts = given_watts(seen, dict(decided.watts))
    assert sum(watts) <= budget
    for gpu, now in zip(seen, watts, strict=True):
        assert now <= int(gpu.power_limit_watts)  # type: ignore[call-overload]
        assert now >= min(int(gpu.min_limit_watts), int(gpu.power_limit_watts))  # type: ignore[call-overload]


@given(HIGH, st.integers(1, 6000))
def test_no_card_gives_way_where_another_has_more_and_could(
    cards: list[dict[str, object]], budget: int
) -> None:
    seen = gpus(cards)
    decided = limits(seen, None, (), budget)
    if decided.faults:
        return
    watts = [(decided.watts[gpu.uuid], gpu.min_limit_watts) for gpu in seen]
    if all(each == 400 for each, _ in watts):
        return
    assert len({each for each, least in watts if each != least}) <= 1, "one level for all that have room"
    assert budget - sum(each for each, _ in watts) < len(seen), "no watt is kept back that all could have"


def test_a_card_that_says_nothing_of_its_limit_cannot_be_counted() -> None:
    first, second = gpus([{}, {}])
    silent = replace(second, power_limit_watts=Unknown("no"), min_limit_watts=Unknown("no"))
    decided = limits((first, silent), None, (), 900)
    assert decided.faults == (f"gpu_power_budget_watts 900: {uuid(1)} doesn't say its limit",)


def test_a_sum_is_reckoned_as_a_person_would() -> None:
    assert arithmetic({"a": (300, ""), "b": (600, "left alone"), "c": (300, "")}) == (
        "2 × 300 W + 600 W (left alone) = 1200 W"
    )
