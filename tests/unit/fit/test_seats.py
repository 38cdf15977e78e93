"""On which cards of a host a launch could run, and what must make room for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.fit.launches import FP8, GIB, sglang, vllm
from unit.summary import observation, uuid
from unit.test_plan_profiles import summary

from glmprov.errors import ExitCode, InventoryError, UnreachableError
from glmprov.fit import asked_by, model_of
from glmprov.fit.hosts import HostFit, Strategy, on_host
from glmprov.fit.seats import Host, on_cards
from glmprov.hardware import Hardware
from glmprov.recipe.launch import Launch
from glmprov.recipe.model import Requirements
from glmprov.results.fit import HostRecipeFit, fit_code
from glmprov.state import Unknown

RESERVED = 636 << 20
"""NVML counts it as used."""


def hardware(
    profile: str, held: dict[int, float] | None = None, driver: str | None = "595.58.03"
) -> Hardware:
    """A host of the rehearsal fleet. held: GiB that others hold, by card."""
    found = observation(summary(profile, driver)).hardware
    if isinstance(found.gpus, Unknown):
        return found
    gpus = tuple(
        replace(gpu, memory_used_bytes=RESERVED + int((held or {}).get(gpu.index, 0) * GIB))
        for gpu in found.gpus
    )
    return replace(found, gpus=gpus)


def seated(launch: Launch, host: Host, requires: Requirements | None = None) -> HostFit:
    asked = asked_by(launch)
    model, _ = model_of(asked.model)
    return on_host(model, asked, host, requires=requires)


FULL = dict.fromkeys(range(8), 90.0)


def test_two_sets_of_four_can_each_hold_it() -> None:
    found = seated(sglang(0.95), Host(hardware("turin-8x-server")))
    assert found.strategy is Strategy.START
    assert [seat.sockets for seat in found.seats] == [(0,), (1,)]
    assert found.seat is not None and found.seat.alone.pool.tokens == pytest.approx(161_900, rel=0.001)


def test_a_set_that_is_free_is_taken_beside_what_runs() -> None:
    held = dict.fromkeys(range(4), 90.0)
    found = seated(sglang(0.95), Host(hardware("turin-8x-server", held), serving=("glm",)))
    assert found.strategy is Strategy.SIDE_BY_SIDE
    assert found.seat is not None and found.seat.sockets == (1,)


def test_with_an_instance_on_each_socket_one_goes_on_while_the_other_is_replaced() -> None:
    host = Host(hardware("turin-8x-server", FULL), serving=("a", "b"))
    assert seated(sglang(0.95), host).strategy is Strategy.ONE_SOCKET
    known = replace(host, holders={"a": [uuid(n) for n in range(4)], "b": [uuid(n) for n in range(4, 8)]})
    assert seated(sglang(0.95), known).strategy is Strategy.ONE_SOCKET


def test_an_instance_on_all_cards_must_stop_first() -> None:
    host = Host(hardware("turin-8x-server", FULL), serving=("glm",))
    assert seated(sglang(0.95), host).strategy is Strategy.SWAP
    known = replace(host, serving=("glm", "embedder"), holders={"glm": [uuid(n) for n in range(8)]})
    assert seated(sglang(0.95), known).strategy is Strategy.SWAP


def test_what_takes_all_cards_swaps() -> None:
    host = Host(hardware("turin-8x-server", FULL), serving=("a", "b"))
    found = seated(sglang(0.95, dp_size="2"), host)
    assert found.strategy is Strategy.SWAP
    assert [len(seat.keys) for seat in found.seats] == [8]


def test_a_desktop_is_no_engine() -> None:
    found = seated(sglang(0.95), Host(hardware("genoa-4x-workstation", {0: 0.5})))
    assert found.strategy is Strategy.START
    assert found.seat is not None
    lost = found.seat.alone.pool.tokens - found.seat.now.pool.tokens
    assert lost == pytest.approx(11_400, rel=0.01)  # "0.5 GiB … costs ~11k tokens"


def test_eight_gpus_are_not_four() -> None:
    found = seated(sglang(0.95, dp_size="2"), Host(hardware("genoa-4x-workstation")))
    assert found.strategy is None
    assert found.reasons == ("tp 4 × dp 2 takes 8 GPUs, there are 4",)


def test_six_cards_have_one_set_of_four() -> None:
    found = seated(sglang(0.95), Host(hardware("turin-6x")))
    assert len(found.seats) == 1 and found.strategy is Strategy.START


def test_a_host_without_a_driver_is_judged_by_the_catalog() -> None:
    found = seated(sglang(0.95), Host(hardware("turin-8x-server", driver=None)))
    assert found.strategy is Strategy.START
    assert found.seat is not None and "no driver answers" in found.seat.alone.card.source


def test_what_the_recipe_requires_of_cards_and_driver_is_held() -> None:
    requires = Requirements(4, ("Server",), "595.10")
    found = seated(sglang(0.95), Host(hardware("genoa-4x-workstation"), driver_version="590.48.01"), requires)
    assert found.reasons == (
        "made for Server; there are Workstation",
        "driver 590.48.01 is there, 595.10 is the oldest that will do",
    )


def test_the_reasons_of_the_best_cards_are_given() -> None:
    found = seated(vllm(0.92, max_model_len="32768"), Host(hardware("turin-8x-server")))
    assert found.strategy is None and "32,768 tokens" in found.reasons[0]


def test_a_named_set_is_told_by_its_name() -> None:
    named = {"left": tuple(uuid(n) for n in range(4))}
    found = seated(sglang(0.95), Host(hardware("turin-8x-server"), named))
    assert found.seat is not None and found.seat.name == "left"


def test_cards_that_somebody_chose_are_held_alone_and_as_they_are() -> None:
    host = Host(hardware("turin-8x-server", {3: 90.0}))
    model, _ = model_of(FP8)
    chosen = on_cards(model, asked_by(sglang(0.95)), host, [uuid(n) for n in range(4)])
    assert chosen is not None and chosen.alone.fits and not chosen.now.fits and chosen.sockets == (0,)
    assert on_cards(model, asked_by(sglang(0.95)), host, ["GPU-gone"]) is None


def test_the_exit_code_is_one_only_where_no_host_can_run_it() -> None:
    can = HostRecipeFit("a", seated(sglang(0.95), Host(hardware("turin-8x-server"))))
    can_not = HostRecipeFit("b", seated(sglang(0.88, tp_size="2"), Host(hardware("turin-8x-server"))))
    lost = HostRecipeFit("c", error=UnreachableError("no answer"))
    assert fit_code((can, can_not)) is ExitCode.DONE
    assert fit_code((can_not,)) is ExitCode.FAILED
    assert fit_code((can, lost)) is ExitCode.UNREACHABLE
    assert fit_code((HostRecipeFit("d", error=InventoryError("sets")), can)) is ExitCode.USAGE
