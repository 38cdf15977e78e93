"""A recipe held against hosts as they were observed, and what is said of each."""

from __future__ import annotations

import json
from dataclasses import replace

from unit.fit.launches import on
from unit.fit.test_seats import FULL, hardware
from unit.summary import observation
from unit.test_plan_profiles import summary

from glmprov.actions.recipe.fit import on_observed
from glmprov.errors import ExitCode, UnreachableError
from glmprov.fit import asked_by
from glmprov.fit.hosts import Strategy
from glmprov.observation import Observation
from glmprov.recipe.reading import read_shipped
from glmprov.report.fit import hosts as report
from glmprov.results.fit import HostRecipeFit
from glmprov.state import NcclEnv

RECIPE = read_shipped("recipe-1")


def observed(profile: str, **held: float) -> Observation:
    found = observation(summary(profile, "595.58.03"))
    return replace(found, hardware=hardware(profile, FULL if held else None), serving=tuple(held))


def results() -> tuple[HostRecipeFit, ...]:
    can = on_observed(observed("turin-8x-server"), RECIPE, RECIPE.corrected, named={})
    full = on_observed(observed("genoa-4x-workstation", glm=90), RECIPE, RECIPE.corrected, named={})
    small = on_observed(observed("h200-x2"), RECIPE, RECIPE.corrected, named={})
    return (
        HostRecipeFit("turin", can),
        HostRecipeFit("genoa", full),
        HostRecipeFit("h200", small),
        HostRecipeFit("lost", error=UnreachableError("no answer", host="lost")),
    )


def test_each_host_is_told_whether_it_can_and_how() -> None:
    text = report.hosts_text(RECIPE, "corrected", results(), verbose=False)
    assert "turin  can run it: 131,066 tokens, start" in text
    assert "genoa  can run it: 131,066 tokens, swap" in text
    assert "not while others hold what they hold" in text and "serving now: glm" in text
    assert "h200  can't run it\n  tp 4 takes 4 GPUs, there are 2" in text
    assert "lost  unknown: lost: no answer" in text
    assert "4 hosts: 2 can run it (turin, genoa)" in text


def test_hosts_that_are_alike_show_their_arithmetic_once() -> None:
    plain, verbose = (report.hosts_text(RECIPE, "corrected", results(), each) for each in (False, True))
    assert plain.count("KV pool") == 1
    assert verbose.count("KV pool") == 2


def test_a_document_has_the_cards_and_the_reasons() -> None:
    found = json.loads(report.hosts_document(RECIPE, "corrected", results(), ExitCode.UNREACHABLE))
    assert (found["schema"], found["exit_code"], found["recipe"]) == ("glmprov/fit/1", 4, "recipe-1")
    turin, genoa, h200, lost = found["hosts"]
    assert [len(seat["cards"]) for seat in turin["seats"]] == [4, 4] and turin["strategy"] == "start"
    assert genoa["strategy"] == "swap" and not genoa["seats"][0]["fits_now"]
    assert not h200["can_run"] and h200["reasons"]
    assert lost["can_run"] is None and lost["error"]["kind"] == "UnreachableError"


def test_the_hosts_own_nccl_environment_holds_where_the_launch_says_nothing() -> None:
    found = observed("turin-8x-server")
    buffers = {"NCCL_MAX_NCHANNELS": "32", "NCCL_BUFFSIZE": "67108864"}
    tuned = replace(found, state=replace(found.state, nccl_env=NcclEnv(env=buffers)))
    plain, less = (on_observed(each, RECIPE, RECIPE.corrected, named={}) for each in (found, tuned))
    assert plain.seat and less.seat
    assert plain.seat.alone.pool.bytes - less.seat.alone.pool.bytes == 32 * 67108864
    own = replace(RECIPE.corrected, environment={"NCCL_MAX_NCHANNELS": "2"})
    assert asked_by(own).buffers.channels == 2
    mixed = on_observed(tuned, RECIPE, own, named={})
    assert mixed.seat and plain.seat.alone.pool.bytes - mixed.seat.alone.pool.bytes == 2 * 67108864


def test_an_instance_whose_cards_are_known_is_no_guess() -> None:
    found = observed("turin-8x-server", a=90, b=90)
    instances = {"a": on(range(4)), "b": on(range(4, 8))}
    held = on_observed(replace(found, instances=instances), RECIPE, RECIPE.corrected, named={})
    assert held.strategy is Strategy.ONE_SOCKET


def test_a_driver_that_is_too_old_is_told_by_the_loaded_version() -> None:
    requires = replace(RECIPE.requires, minimum_driver="600.00")
    held = on_observed(
        observed("turin-8x-server"), replace(RECIPE, requires=requires), RECIPE.corrected, named={}
    )
    assert held.reasons == ("driver 595.58.03 is there, 600.00 is the oldest that will do",)
