"""What `glmprov facts` says of a host: bare, with a driver, and with what breaks on real ones.

The tests of this module share one fleet and go in order: the driver comes on the way.
"""

from __future__ import annotations

from typing import Any

import pytest
from glmprov_program import run
from rehearsal import Fleet, running_fleet

pytestmark = pytest.mark.fleet

NODE = "turin-6x"
SOURCE = r"Types: deb\nURIs: https://packages.glmprov.lab/nvidia\nSuites: ./\nSigned-By: "
KEYRING = "/usr/share/keyrings/glmprov-lab.asc"
INSTALL_DRIVER = f"""
set -e
export DEBIAN_FRONTEND=noninteractive
printf '{SOURCE}{KEYRING}\\n' > /etc/apt/sources.list.d/nvidia.sources
apt-get update -q
apt-get install -yq linux-headers-$(uname -r) nvidia-driver-pinning-580
apt-get install -yq nvidia-driver-cuda nvidia-kernel-open-dkms nvidia-persistenced
modprobe nvidia
modprobe nvidia-uvm
systemctl restart nvidia-persistenced
"""


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with running_fleet(tmp_path_factory.mktemp("facts"), "turin-6x") as fleet:
        yield fleet


def facts(fleet: Fleet) -> dict[str, Any]:
    found: dict[str, Any] = run(fleet, "facts", "--json").expect(0).host(NODE)["facts"]
    return found


def test_a_bare_host_shows_its_cards_and_no_driver(six: Fleet) -> None:
    found = facts(six)
    assert [card["numa_node"] for card in found["cards"]] == [0, 0, 0, 0, 1, 1]
    assert found["gpus"] == {"unknown": "no NVIDIA driver is installed"}
    assert found["state"]["gpu_driver"]["version"] is None
    assert [len(each["keys"]) for each in found["gpu_sets"]] == [4, 2]
    assert any("simulated" in remark for remark in found["remarks"])


def test_a_profile_that_prints_and_floods_does_no_harm(six: Fleet) -> None:
    node = six.nodes[NODE]
    noise = r"head -c 300000 /dev/urandom; printf '\033[2J\033]0;title\007{}\n'"
    node.ssh(f"""touch .bashrc; cp .bashrc .bashrc.kept; printf '%s\\n' "{noise}" > .bashrc""", user="ops")
    try:
        assert len(facts(six)["cards"]) == 6
    finally:
        node.ssh("mv /home/ops/.bashrc.kept /home/ops/.bashrc")


def test_with_a_driver_the_cards_are_known_by_uuid(six: Fleet) -> None:
    six.nodes[NODE].ssh(INSTALL_DRIVER)
    found = facts(six)
    assert len({gpu["uuid"] for gpu in found["gpus"]}) == 6
    assert {gpu["power_limit_watts"] for gpu in found["gpus"]} == {600}
    assert found["state"]["gpu_driver"]["open_modules"] is True
    assert found["state"]["gpu_driver"]["pinned"] is True
    assert found["state"]["gpu_driver"]["persistence_daemon"] == {"enabled": True, "active": True}
    assert len(found["links"]) == 15
    assert found["hung"] == []


def test_a_process_on_a_card_is_named(six: Fleet) -> None:
    six.fault(NODE, "gpu-busy", "0", "2048")
    found = facts(six)
    assert [process["memory_bytes"] for process in found["processes"]] == [2048 << 20]
    six.fault(NODE, "gpu-busy", "0", "off")


def test_an_xid_is_found_in_the_journal(six: Fleet) -> None:
    bus_id = facts(six)["gpus"][1]["bus_id"]
    six.fault(NODE, "xid", "1", "31")
    assert facts(six)["xids"] == {bus_id: [31]}


def test_another_library_than_the_loaded_module(six: Fleet) -> None:
    six.fault(NODE, "driver-mismatch", "580.95.05")
    assert "mismatch" in facts(six)["gpus"]["unknown"]
    six.fault(NODE, "driver-mismatch", "off")


def test_a_driver_that_hangs_costs_its_deadline_and_hides_nothing_else(six: Fleet) -> None:
    six.fault(NODE, "hang-nvml", "deep")
    try:
        found = facts(six)
        assert found["gpus"]["unknown"].startswith("HUNG")
        assert len(found["hung"]) == 1
        assert len(found["cards"]) == 6
        assert found["state"]["gpu_driver"]["version"]["effective"].startswith("580.")
        assert six.nodes[NODE].ssh("ls /run/glmprov/probe") == ""
    finally:
        six.fault(NODE, "hang-nvml", "off")
    assert facts(six)["hung"] == []


def test_a_card_that_fell_off_the_bus_is_told(six: Fleet) -> None:
    before = {gpu["uuid"] for gpu in facts(six)["gpus"]}
    six.fault(NODE, "lost-card", "2")
    found = facts(six)
    assert len(before - {gpu["uuid"] for gpu in found["gpus"]}) == 1
    assert "lost: card with index 2: GPU is lost" in found["remarks"]
    assert 79 in [number for numbers in found["xids"].values() for number in numbers]


def test_no_python_on_the_host(six: Fleet) -> None:
    node = six.nodes[NODE]
    node.ssh("mv /usr/bin/python3 /usr/bin/python3.away")
    try:
        error = run(six, "facts", "--json").expect(4).host(NODE)["error"]
        assert "python3" in error["message"]
        assert "apt-get install" in error["next_step"]
    finally:
        node.ssh("mv /usr/bin/python3.away /usr/bin/python3")
