"""Three hosts unlike each other in one run: six cards as 4 + 2, Max-Q cards, and cards that nobody described.

The tests of this module share one fleet and go in order: each starts where the one before left the hosts.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from glmprov_program import run
from rehearsal import Fleet, running_fleet

pytestmark = pytest.mark.fleet

SIX, MAXQ, H200 = "turin-6x", "workstation-4x", "h200-x2"


@pytest.fixture(scope="module")
def mixed(_root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    profiles = ("turin-6x", "workstation-4x-maxq", "h200-x2")
    with running_fleet(tmp_path_factory.mktemp("mixed"), *profiles) as up:
        yield up


def limits(fleet: Fleet, name: str) -> list[str]:
    query = "nvidia-smi --query-gpu=power.limit --format=csv,noheader,nounits"
    return fleet.nodes[name].ssh(query).split()


def environment(fleet: Fleet, name: str) -> dict[str, str]:
    """Return NCCL's environment as the host's file has it, without the comments."""
    lines = fleet.nodes[name].ssh("cat /etc/glmprov/nccl.env").splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def test_each_is_provisioned_by_what_it_is(mixed: Fleet) -> None:
    ran = run(mixed, "provision", "--yes", "--reboot", "--json").expect(0)
    for name in (SIX, MAXQ, H200):
        assert {each["result"] for each in ran.host(name)["keys"]} == {"FIXED"}
    assert limits(mixed, SIX) == ["400.00"] * 6
    assert limits(mixed, MAXQ) == ["300.00"] * 4
    assert limits(mixed, H200) == ["700.00"] * 2
    run(mixed, "audit").expect(0)


def test_cards_that_are_left_alone_have_a_note_that_says_why_once_for_all(mixed: Fleet) -> None:
    ran = run(mixed, "plan", "--json").expect(0)
    why = {
        MAXQ: "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition takes 325 W at most, "
        "below the 400 W cap: power limit left alone",
        H200: "NVIDIA H200 isn't in the catalog: power limit left alone",
    }
    for name, words in why.items():
        (note,) = (note for note in ran.host(name)["notes"] if note.endswith("power limit left alone"))
        assert note == f"every card: {words}"
        assert mixed.nodes[name].ssh("ls /etc/glmprov/gpu-power.conf", check=False) == ""


def test_six_cards_are_a_set_of_four_and_a_set_of_two_inside_their_sockets(mixed: Fleet) -> None:
    found = run(mixed, "facts", "--json", "--limit", SIX).expect(0).host(SIX)["facts"]
    assert [(len(each["keys"]), each["node"], each["crosses_sockets"]) for each in found["gpu_sets"]] == [
        (4, 0, False),
        (2, 1, False),
    ]
    text = run(mixed, "facts", "--limit", SIX).expect(0).out
    assert "set of 4: GPU 0, GPU 1, GPU 2, GPU 3 (inside socket 0; CPUs 0-63)" in text
    assert "set of 2: GPU 4, GPU 5 (inside socket 1; CPUs 64-127)" in text


def test_cards_without_a_numa_node_belong_to_the_only_one(mixed: Fleet) -> None:
    ran = run(mixed, "facts", "--json").expect(0)
    for name, count in ((MAXQ, 4), (H200, 2)):
        found = ran.host(name)["facts"]
        assert {card["numa_node"] for card in found["cards"]} == {-1}
        (only,) = found["gpu_sets"]
        assert len(only["keys"]) == count and only["node"] == 0 and not only["crosses_sockets"]
        assert "the firmware names none" in only["reason"]


def test_nccl_crosses_sockets_only_where_the_cards_do(mixed: Fleet) -> None:
    assert environment(mixed, SIX) == {"NCCL_P2P_LEVEL": "SYS"}
    assert environment(mixed, MAXQ) == {"NCCL_P2P_LEVEL": "PHB"}
    assert environment(mixed, H200) == {"NCCL_P2P_LEVEL": "PHB"}


def test_a_second_run_applies_nothing(mixed: Fleet) -> None:
    ran = run(mixed, "provision", "--yes", "--json").expect(0)
    assert [(host["keys"], host["applied"]) for host in ran.document["hosts"]] == [([], False)] * 3
