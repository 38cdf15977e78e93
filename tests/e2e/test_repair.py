"""What hands and hardware do to a provisioned host: edited files, a lost card, a hung driver."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest
from glmprov_program import keys, run
from rehearsal import Fleet, Node

pytestmark = pytest.mark.fleet

NAME, OTHER = "genoa-4x", "turin-8x"
HUNG_AUDIT_SECONDS = 60
"""The host's watchdog ends a driver call that hangs after half a minute."""


@pytest.fixture
def node(provisioned: Fleet) -> Node:
    return provisioned.nodes[NAME]


@pytest.mark.parametrize(
    ("section", "file"),
    [
        ("nccl_env", "/etc/glmprov/nccl.env"),
        ("gpu_power", "/etc/systemd/system/glmprov-gpu-power.service"),
    ],
)
def test_a_comment_by_hand_is_drift_and_is_taken_out(
    provisioned: Fleet, node: Node, section: str, file: str
) -> None:
    before = node.ssh(f"cat {file}")
    node.ssh(f"echo '# why was this here?' >> {file}")
    found = run(provisioned, "audit", "--json").expect(3)
    assert keys(found.host(NAME)) == {f"{section}.files[{file}]"}
    assert found.host(OTHER)["differences"] == []
    ran = run(provisioned, "provision", "--yes", "--json").expect(0).host(NAME)
    assert [(each["key"], each["result"]) for each in ran["keys"]] == [(f"{section}.files[{file}]", "FIXED")]
    assert node.ssh(f"cat {file}") == before
    run(provisioned, "audit").expect(0)


@pytest.fixture
def pulled(provisioned: Fleet, node: Node) -> Iterator[str]:
    """A card that is lost while the host runs, and gone from the slot at the next boot; put back at the end."""
    uuid = re.findall(r"GPU-[0-9a-f-]{36}", node.ssh("nvidia-smi -L"))[2]
    provisioned.fault(NAME, "lost-card", uuid)
    provisioned.fault(NAME, "missing-card", uuid, "on")
    yield uuid
    provisioned.fault(NAME, "missing-card", uuid, "off")
    provisioned.reboot(NAME)
    run(provisioned, "provision", "--yes").expect(0)


def receipt_cards(node: Node) -> list[str]:
    cards: list[str] = json.loads(node.ssh("cat /var/lib/glmprov/receipt.json"))["cards"]
    return cards


def test_a_lost_card_is_missed_until_a_person_says_that_it_was_taken_out(
    provisioned: Fleet, node: Node, pulled: str
) -> None:
    key = f"gpu_driver.cards[{pulled}]"
    assert keys(run(provisioned, "audit", "--json").expect(3).host(NAME)) == {key}
    for _boot in range(2):
        result = run(provisioned, "provision", "--yes", "--json").expect(1).host(NAME)
        failed = {each["key"]: each["reason"] for each in result["keys"] if each["result"] == "FAILED"}
        assert list(failed) == [key] and f"--forget-card {pulled}" in failed[key]
        assert len(receipt_cards(node)) == 4 and pulled in receipt_cards(node)
        provisioned.reboot(NAME)

    run(provisioned, "provision", "--yes", "--forget-card", pulled).expect(0)
    run(provisioned, "audit").expect(0)
    assert len(receipt_cards(node)) == 3 and pulled not in receipt_cards(node)


def test_a_card_that_is_still_in_its_slot_cannot_be_forgotten(provisioned: Fleet, node: Node) -> None:
    uuid, bus_id = node.ssh("nvidia-smi -i 2 --query-gpu=uuid,pci.bus_id --format=csv,noheader").split(", ")
    slot = bus_id.lower().removeprefix("0000")
    provisioned.fault(NAME, "lost-card", uuid)
    result = run(provisioned, "provision", "--yes", "--json", "--forget-card", uuid).expect(1).host(NAME)
    assert [each["key"] for each in result["keys"] if each["result"] == "FAILED"] == [
        f"gpu_driver.cards[{slot}]"
    ]
    assert all(card.startswith("GPU-") for card in receipt_cards(node))
    provisioned.reboot(NAME)
    run(provisioned, "provision", "--yes").expect(0)
    run(provisioned, "audit").expect(0)
    assert uuid in receipt_cards(node)


def test_a_driver_that_hangs_is_said_to_hang_and_holds_up_nobody(provisioned: Fleet) -> None:
    provisioned.fault(NAME, "hang-nvml", "on")
    try:
        began = time.monotonic()
        ran = run(provisioned, "audit", "--json").expect(4)
        took = time.monotonic() - began
    finally:
        provisioned.fault(NAME, "hang-nvml", "off")
    assert took < HUNG_AUDIT_SECONDS
    unknown = {
        each["key"]: each["reason"] for each in ran.host(NAME)["differences"] if each["verdict"] == "UNKNOWN"
    }
    assert {"gpu_driver.cards", "gpu_power.limit_watts"} <= {key.partition("[")[0] for key in unknown}
    assert all(reason.startswith("HUNG") for reason in unknown.values())
    assert not keys(ran.host(NAME)) and ran.host(OTHER)["differences"] == []
    run(provisioned, "audit").expect(0)
