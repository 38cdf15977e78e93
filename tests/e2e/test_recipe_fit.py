"""Which hosts of a fleet can run a recipe, whatever state they are in: the cards are read, never assumed."""

from __future__ import annotations

import pytest
from glmprov_program import run
from rehearsal import Fleet

pytestmark = pytest.mark.fleet


def test_two_replicas_run_on_eight_cards_and_not_on_four(fleet: Fleet) -> None:
    ran = run(fleet, "recipe", "fit", "recipe-4", "--json").expect(0)
    assert ran.host("turin-8x")["can_run"] and len(ran.host("turin-8x")["seats"][0]["cards"]) == 8
    assert ran.host("genoa-4x")["reasons"] == ["tp 4 × dp 2 takes 8 GPUs, there are 4"]


def test_four_cards_are_taken_inside_a_socket(fleet: Fleet) -> None:
    ran = run(fleet, "recipe", "fit", "recipe-1", "--json").expect(0)
    assert [seat["sockets"] for seat in ran.host("turin-8x")["seats"]] == [[0], [1]]
    assert ran.host("genoa-4x")["strategy"] == "start"


def test_a_launch_that_no_host_can_hold_is_exit_one_with_the_reason(fleet: Fleet) -> None:
    ran = run(fleet, "recipe", "fit", "recipe-3", "--as-published").expect(1)
    assert "vLLM refuses to start" in ran.out and "2 hosts: 0 can run it" in ran.out
