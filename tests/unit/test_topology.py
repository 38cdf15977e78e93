"""Sets of cards stay inside a socket, whatever the firmware says of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from unit.summary import observation, uuid

from glmprov import topology
from glmprov.hardware import NumaNode

CASES = yaml.safe_load((Path(__file__).parents[1] / "cases" / "topology" / "sets.yml").read_text())


def keys(host: dict[str, Any], numbers: list[int]) -> tuple[str, ...]:
    return tuple(uuid(n) if host.get("driver") else f"0000:{n + 1:02x}:00.0" for n in numbers)


@pytest.mark.parametrize("name", CASES)
def test_a_case(name: str) -> None:
    case = CASES[name]
    hardware = observation(case["host"]).hardware
    found = topology.gpu_sets(hardware)
    assert [s.keys for s in found] == [keys(case["host"], numbers) for numbers in case["sets"]]
    assert [s.node for s in found] == case["nodes"]
    for gpu_set, words in zip(found, case.get("says", ()), strict=False):
        assert words in gpu_set.reason
    read = topology.read(hardware)
    assert read.kind == case["kind"]
    assert read.switched == case.get("switched", False)


CARDS = st.lists(
    st.fixed_dictionaries(
        {"node": st.sampled_from([-1, 0, 1]), "edition": st.sampled_from(["server", "workstation", "max-q"])}
    ),
    max_size=16,
)


@given(CARDS, st.booleans())
def test_every_card_is_in_one_set_inside_a_socket(cards: list[dict[str, Any]], driver: bool) -> None:
    hardware = observation({"cards": cards, "driver": "595.58.03" if driver else None}).hardware
    inside = [s for s in topology.gpu_sets(hardware) if not s.crosses_sockets]
    counted = Counter(key for gpu_set in inside for key in gpu_set.keys)
    by_key = {card.key: card for card in topology.cards(hardware)}
    assert counted == Counter(by_key.keys())
    for gpu_set in inside:
        assert len(gpu_set.keys) in topology.SET_SIZES
        assert len({by_key[key].socket for key in gpu_set.keys}) == 1
        assert bool(gpu_set.cpus) == (gpu_set.node is not None)


@given(CARDS)
def test_a_set_across_sockets_comes_only_where_no_socket_holds_four(cards: list[dict[str, Any]]) -> None:
    sets = topology.gpu_sets(observation({"cards": cards}).hardware)
    crossing = [s for s in sets if s.crosses_sockets]
    inside = max((len(s.keys) for s in sets if not s.crosses_sockets), default=0)
    assert bool(crossing) == (len(cards) >= 4 and inside < 4)


def test_a_hole_in_the_cpus_stays_a_hole() -> None:
    hardware = observation({"cards": [{"node": 1}]}).hardware
    node = NumaNode(1, (64, 65, 238, 240), 1 << 36, {0: 32, 1: 10})
    hardware = type(hardware)(**{**vars(hardware), "numa_nodes": (hardware.numa_nodes[0], node)})
    (only,) = topology.gpu_sets(hardware)
    assert only.cpus == (64, 65, 238, 240)


def test_nvml_and_sysfs_spell_a_bus_id_differently() -> None:
    assert (
        topology.sysfs_bus_id("00000000:C1:00.0") == topology.sysfs_bus_id("0000:c1:00.0") == "0000:c1:00.0"
    )
    assert topology.sysfs_bus_id("00010000:C1:00.0") == "10000:c1:00.0"


@pytest.mark.parametrize(
    ("rows", "sockets", "expected"),
    [
        ({0: {0: 10, 1: 32}, 1: {0: 32, 1: 10}}, 2, {0: 0, 1: 1}),
        ({0: {0: 10, 1: 12}, 1: {0: 12, 1: 10}}, 1, {0: 0, 1: 0}),
        ({0: {}, 2: {}}, 2, {0: 0, 2: 1}),
    ],
)
def test_nodes_share_a_socket_by_distance(
    rows: dict[int, dict[int, int]], sockets: int, expected: dict[int, int]
) -> None:
    nodes = [NumaNode(number, (), 0, distances) for number, distances in rows.items()]
    assert topology.sockets_by_node(nodes, sockets) == expected
