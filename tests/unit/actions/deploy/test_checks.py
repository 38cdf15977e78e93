"""Whether a plan may be carried out: it is judged on the cards that the instance gets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from unit.actions.deploy.test_planning import HOST, LOCK, THERE, deployed
from unit.instance.hosts import TURIN, VLLM, host
from unit.summary import uuid

from glmprov.actions.deploy.checks import check
from glmprov.actions.deploy.planning import plan
from glmprov.errors import PlanError
from glmprov.instance import Wanted
from glmprov.observation import Observation
from glmprov.recipe import Change
from glmprov.recipe.launch import changed
from glmprov.results.review import HostReview
from glmprov.state import Unknown

GIB = 1 << 30
FITS = replace(
    VLLM,
    published=changed(
        VLLM.published, Change(arguments={"kv-cache-dtype": "fp8", "max-model-len": "16384"}), "published"
    ),
)
"""It fits on four free cards."""


def with_card(found: Observation, number: int, **changes: Any) -> Observation:
    assert not isinstance(found.hardware.gpus, Unknown)
    gpus = (replace(gpu, **changes) if gpu.index == number else gpu for gpu in found.hardware.gpus)
    return replace(found, hardware=replace(found.hardware, gpus=tuple(gpus)))


def checked(found: Observation, **wanted: Any) -> tuple[str, ...]:
    """Return what a person is told of the plan."""
    wish = Wanted(**wanted)
    planned = plan(HOST, found, FITS, LOCK, wish, THERE, "glmprov provision")
    return check(planned, FITS, HostReview("gpu-1", found), wish, "glmprov provision")


def told_of_fit(found: Observation, **wanted: Any) -> str:
    (said,) = (each for each in checked(found, **wanted) if "it fits" in each)
    return said


LEFT = ",".join(uuid(number) for number in range(4))
RIGHT = ",".join(uuid(number) for number in range(4, 8))


def test_how_it_comes_to_run_is_said_with_the_context() -> None:
    assert told_of_fit(host(TURIN)).endswith("tokens of context: start, nothing runs there")


def test_a_card_that_others_hold_is_seen_where_the_instance_gets_it_and_nowhere_else() -> None:
    held = with_card(host(TURIN), 2, memory_used_bytes=20 * GIB)
    with pytest.raises(PlanError, match=f"does-not-fit: others hold .* GiB of {uuid(2)}"):
        checked(held, gpus=LEFT)
    assert "it fits on its cards" in told_of_fit(held, gpus=RIGHT)


def test_a_card_with_less_memory_is_seen_where_the_instance_gets_it_and_nowhere_else() -> None:
    small = with_card(host(TURIN), 5, memory_bytes=80 * GIB)
    with pytest.raises(PlanError, match="does-not-fit: "):
        checked(small, gpus=RIGHT)
    assert "it fits on its cards" in told_of_fit(small, gpus=LEFT)


def test_who_knows_better_accepts_it_on_the_record() -> None:
    held = with_card(host(TURIN), 2, memory_used_bytes=20 * GIB)
    said = checked(held, gpus=LEFT, accepted=("does-not-fit",))
    assert any(each.startswith("accepted: does-not-fit: others hold") for each in said)


def test_what_the_instance_holds_of_its_cards_is_its_own() -> None:
    first = plan(HOST, host(TURIN), FITS, LOCK, Wanted(gpus=LEFT), THERE, "glmprov provision")
    serving = deployed(first)
    for number in range(4):
        serving = with_card(serving, number, memory_used_bytes=90 * GIB)
    assert told_of_fit(serving).endswith("swap, what serves stops first")
