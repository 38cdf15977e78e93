"""Captured machines are understood as what they are: cards, sockets, CPUs, limits, links, sets.

The capture of the Turin host isn't ours to carry. It is used where it lies: in the folder that
GLMPROV_CAPTURES names, or in ../shared/hosts beside the clone.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hosts.convert import answer_of

from glmprov import topology
from glmprov.hardware import Gpu, Hardware
from glmprov.observation import Observation
from glmprov.probe.clean import clean_all
from glmprov.probe.parse import observation
from glmprov.report.facts import as_json, text
from glmprov.state import Setting, Unknown

ROOT = Path(__file__).parents[3]
OURS = ROOT / "tests" / "hosts"
ELSEWHERE = Path(os.environ.get("GLMPROV_CAPTURES", ROOT.parent / "shared" / "hosts"))


def observed(name: str) -> Observation:
    folder = next((place / name for place in (OURS, ELSEWHERE) if (place / name).is_dir()), None)
    if folder is None:
        pytest.skip(f"no capture of {name}: neither in tests/hosts nor in {ELSEWHERE} (GLMPROV_CAPTURES)")
    return observation(name, clean_all(answer_of(folder)))


@pytest.fixture(scope="module")
def turin() -> Observation:
    return observed("turin-8x-server")


@pytest.fixture(scope="module")
def h200() -> Observation:
    return observed("h200-x2")


def gpus_of(hardware: Hardware) -> tuple[Gpu, ...]:
    assert not isinstance(hardware.gpus, Unknown)
    return hardware.gpus


def test_turin_cards(turin: Observation) -> None:
    gpus = gpus_of(turin.hardware)
    assert {gpu.name for gpu in gpus} == {"NVIDIA RTX PRO 6000 Blackwell Server Edition"}
    assert [gpu.bus_id[5:7] for gpu in gpus] == ["06", "07", "75", "76", "84", "85", "f4", "f5"]
    assert [card.bus_id for card in turin.hardware.cards] == [gpu.bus_id for gpu in gpus]
    assert {card.device_id for card in turin.hardware.cards} == {"2bb5"}
    assert len({gpu.uuid for gpu in gpus}) == 8


def test_turin_minor_numbers_are_not_indices(turin: Observation) -> None:
    assert [gpu.minor for gpu in gpus_of(turin.hardware)] == [2, 3, 0, 1, 6, 7, 4, 5]


def test_turin_limits_come_from_the_card(turin: Observation) -> None:
    for gpu in gpus_of(turin.hardware):
        limits = (gpu.min_limit_watts, gpu.default_limit_watts, gpu.max_limit_watts)
        assert limits == (300, 600, 600)
        assert (gpu.power_limit_watts, gpu.enforced_limit_watts) == (600, 600)


def test_turin_temperature_is_no_margin(turin: Observation) -> None:
    assert {gpu.temperature_celsius for gpu in gpus_of(turin.hardware)} == {26, 27, 28}


def test_turin_memory_and_bar(turin: Observation) -> None:
    for gpu in gpus_of(turin.hardware):
        assert gpu.memory_bytes == 97_887 << 20
        assert gpu.bar1_bytes == 131_072 << 20
        assert gpu.ecc_enabled is True


def test_turin_links_are_slow_when_idle_and_never_narrow(turin: Observation) -> None:
    for gpu in gpus_of(turin.hardware):
        assert (gpu.link_generation, gpu.max_link_generation) == (1, 5)
        assert (gpu.link_width, gpu.max_link_width) == (16, 16)
    assert {(card.link_generation, card.max_link_generation) for card in turin.hardware.cards} == {(1, 5)}


def test_turin_sockets_and_the_cpu_that_is_off(turin: Observation) -> None:
    hardware = turin.hardware
    assert (hardware.cpu.sockets, hardware.cpu.online, hardware.cpu.offline) == (2, 255, (239,))
    first, second = hardware.numa_nodes
    assert first.cpus == (*range(64), *range(128, 192))
    assert second.cpus == (*range(64, 128), *range(192, 239), *range(240, 256))
    assert second.distances == {0: 32, 1: 10}


def test_turin_switches(turin: Observation) -> None:
    above = {card.bus_id: card for card in turin.hardware.cards}
    assert above["0000:06:00.0"].bridges == ("0000:02:03.0", "0000:01:00.0", "0000:00:01.1")
    assert above["0000:07:00.0"].bridges[1:] == above["0000:06:00.0"].bridges[1:]
    assert above["0000:f5:00.0"].root == "pci0000:f0"
    assert [card.numa_node for card in turin.hardware.cards] == [0, 0, 0, 0, 1, 1, 1, 1]


def test_turin_topology(turin: Observation) -> None:
    gpus, links = gpus_of(turin.hardware), turin.hardware.links
    row = [links[gpus[0].uuid, gpu.uuid] for gpu in gpus[1:]]
    assert row == ["PIX", "NODE", "NODE", "SYS", "SYS", "SYS", "SYS"]
    assert all(links[b, a] == said for (a, b), said in links.items())
    assert len(links) == 8 * 7


def test_turin_sets_stay_inside_a_socket(turin: Observation) -> None:
    gpus = gpus_of(turin.hardware)
    first, second = topology.gpu_sets(turin.hardware)
    assert set(first.keys) == {gpu.uuid for gpu in gpus[:4]}
    assert set(second.keys) == {gpu.uuid for gpu in gpus[4:]}
    assert 239 not in second.cpus
    assert (first.node, second.node) == (0, 1)


def test_turin_acs_redirects_nothing(turin: Observation) -> None:
    assert turin.state.host_tuning is not None
    acs = turin.state.host_tuning.acs_disabled
    assert isinstance(acs, dict)
    assert len(acs) == 16
    assert {bridge.effective for bridge in acs.values()} == {True}


def test_turin_kernel_arguments(turin: Observation) -> None:
    assert turin.state.host_tuning is not None
    arguments = turin.state.host_tuning.kernel_arguments
    assert isinstance(arguments, dict)
    assert arguments["iommu"].effective == "off"
    assert arguments["amd_iommu"].effective == "off"
    assert arguments["ro"].effective == ""
    assert turin.hardware.iommu_groups == 0


def test_turin_driver_is_the_open_one(turin: Observation) -> None:
    driver = turin.state.gpu_driver
    assert driver is not None
    assert driver.open_modules is True
    assert isinstance(driver.version, Setting)
    assert driver.version.effective == "595.58.03"


def test_h200_cards(h200: Observation) -> None:
    first, second = gpus_of(h200.hardware)
    assert (first.name, first.uuid) == ("NVIDIA H200", "GPU-c9fbb80c-57bb-c101-f8cf-c6f2116908e3")
    assert (first.index, first.minor, first.bus_id) == (0, 0, "0000:00:06.0")
    assert (second.index, second.minor, second.bus_id) == (1, 1, "0000:00:07.0")
    assert (first.min_limit_watts, first.default_limit_watts, first.max_limit_watts) == (200, 700, 700)
    assert first.compute_capability == (9, 0)
    assert first.temperature_celsius == 38
    assert first.power_watts == pytest.approx(78.604)
    assert first.bar1_bytes == 262_144 << 20
    assert first.bar1_bytes > first.memory_bytes > 140 << 30


def test_h200_without_a_numa_node_belongs_to_the_only_one(h200: Observation) -> None:
    assert [card.numa_node for card in h200.hardware.cards] == [-1, -1]
    (only,) = topology.gpu_sets(h200.hardware)
    assert len(only.keys) == 2
    assert only.cpus == tuple(range(32))


def test_h200_is_a_virtual_machine_with_working_p2p(h200: Observation) -> None:
    assert h200.hardware.system.virtualization
    assert set(h200.hardware.p2p.values()) == {"OK"}
    assert set(h200.hardware.links.values()) == {"PHB"}


def test_h200_module_options_as_they_are_in_force(h200: Observation) -> None:
    assert h200.state.host_tuning is not None
    options = h200.state.host_tuning.module_options
    assert isinstance(options, dict)
    assert options["nvidia_uvm.uvm_disable_hmm"] == Setting(None, "0")
    assert options["nvidia.NVreg_RegistryDwords"].effective == ""
    assert options["nvidia.NVreg_DmaRemapPeerMmio"].effective == "1"


def test_h200_what_the_capture_lacks_is_unknown(h200: Observation) -> None:
    assert isinstance(h200.receipt, Unknown)
    assert h200.state.container_engine is not None
    assert isinstance(h200.state.container_engine.service, Unknown)
    assert "systemctl" in h200.state.container_engine.service.reason


@pytest.mark.parametrize("name", ["h200-x2"])
def test_facts_as_text(name: str) -> None:
    golden = ROOT / "tests" / "cases" / "facts" / f"{name}.txt"
    assert text(observed(name), width=100) == golden.read_text()


@pytest.mark.parametrize("name", ["h200-x2", "turin-8x-server"])
def test_facts_fit_the_width_and_are_plain_without_color(name: str) -> None:
    drawn = text(observed(name), width=120)
    assert "\x1b" not in drawn
    assert max(map(len, drawn.split("\n"))) <= 120
    assert "\x1b[" in text(observed(name), width=120, color=True)


@pytest.mark.parametrize("name", ["h200-x2", "turin-8x-server"])
def test_facts_for_programs(name: str) -> None:
    document = json.loads(json.dumps(as_json(observed(name))))
    assert len(document["gpus"]) == len(document["cards"])
    pairs = len(document["gpus"]) * (len(document["gpus"]) - 1) // 2
    assert len(document["links"]) == pairs


def test_turin_holes_are_drawn(turin: Observation) -> None:
    drawn = text(turin, width=120)
    assert "CPUs 64-127,192-238,240-255" in drawn
    assert "x16 Gen5 (Gen1 now)" in drawn
    assert "(offline: 239)" in drawn
