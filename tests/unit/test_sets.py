"""Sets that an operator names, and why each set is what it is."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from unit.probe.test_captures import observed
from unit.summary import observation, uuid
from unit.test_plan_profiles import summary

from glmprov import topology
from glmprov.actions.facts import with_sets
from glmprov.errors import ExitCode, InventoryError
from glmprov.report.facts import explained_sets
from glmprov.results.facts import HostFacts
from glmprov.settings import from_variables
from glmprov.state import Unknown

FOLDER = Path(__file__).parents[1] / "cases" / "topology"
CASES = yaml.safe_load((FOLDER / "named.yml").read_text())


def named(case: dict[str, Any]) -> dict[str, list[str]]:
    return {
        name: [uuid(card) if isinstance(card, int) else card for card in cards]
        for name, cards in case["named"].items()
    }


@pytest.mark.parametrize("name", CASES)
def test_a_case(name: str) -> None:
    case = CASES[name]
    found = observation(case["host"])
    faults = topology.named_faults(found.hardware, named(case))
    assert list(faults) == case.get("faults", [])
    if faults:
        refused = with_sets(HostFacts("gpu-1", found), named(case))
        assert isinstance(refused.error, InventoryError)
        assert (refused.error.exit_code, refused.named) == (ExitCode.USAGE, {})
        return
    key = (lambda n: f"0000:{n + 1:02x}:00.0") if case.get("unnamed_bus_ids") else uuid
    sets = topology.gpu_sets(found.hardware, named(case))
    assert [(s.name, *s.keys) for s in sets] == [(s[0], *map(key, s[1:])) for s in case["sets"]]
    told = [reason for each in topology.explain(found.hardware, named(case)) for reason in each.why]
    for words in case.get("says", ()):
        assert any(words in reason for reason in told), told


def test_named_sets_wait_for_the_driver_and_say_so() -> None:
    found = observation(CASES["no-driver-yet"]["host"])
    text = explained_sets(found, named={"left": (uuid(0),)})
    assert "note: the named sets are known when the driver answers: no driver" in text


CARDS = st.lists(st.fixed_dictionaries({"node": st.sampled_from([-1, 0, 1])}), min_size=1, max_size=10)


@given(CARDS, st.data())
def test_every_card_is_in_one_set_whatever_is_named(cards: list[dict[str, Any]], data: st.DataObject) -> None:
    found = observation({"cards": cards, "driver": "595.58.03"})
    shuffled = data.draw(st.permutations([uuid(n) for n in range(len(cards))]))
    cut = data.draw(st.integers(0, len(cards)))
    chosen = {"a": shuffled[:cut]} if cut else {}
    sets = topology.gpu_sets(found.hardware, chosen)
    inside = [s for s in sets if s.name or not s.crosses_sockets]
    assert Counter(key for s in inside for key in s.keys) == Counter(shuffled)
    assert {s.name: list(s.keys) for s in sets if s.name} == chosen
    for each in topology.explain(found.hardware, chosen):
        assert each.why and len(each.members) == len(each.found.keys)


HOSTS = ("turin-8x-server", "turin-6x", "genoa-4x-workstation", "h200-x2")


@pytest.mark.parametrize("name", HOSTS)
def test_a_host_is_explained_as_a_person_reads_it(name: str) -> None:
    found = observed(name) if name == "h200-x2" else observation(summary(name, "580.95.05"))
    assert explained_sets(replace(found, host=name)) == (FOLDER / "explained" / f"{name}.txt").read_text()


def test_a_bare_host_is_explained_too() -> None:
    text = explained_sets(observation(summary("turin-6x", None)))
    assert "UUID unknown without a driver" in text
    assert isinstance(observation(summary("turin-6x", None)).hardware.gpus, Unknown)


def test_sets_are_in_the_settings() -> None:
    settings = from_variables("gpu-1", {"glmprov_sets": {"left": [uuid(0), uuid(1)]}})
    assert settings.sets == {"left": (uuid(0), uuid(1))}
    assert settings.written() == {"glmprov_sets": {"left": [uuid(0), uuid(1)]}}
