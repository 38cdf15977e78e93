"""Simulated hardware, read back the way the kernel's own would be."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glmprov.errors import LabError
from glmprov.lab import faults, hardware_tree, profiles

EVERY_PROFILE = profiles.names()


def hardware(tmp_path: Path, profile: str, owner: str = "node") -> Path:
    hardware_tree.write(profile, tmp_path / owner, owner)
    return tmp_path / owner


def bridges(hw: Path, bus_id: str) -> list[str]:
    """Return what lies between a device and its host bridge, as the real path shows it."""
    path = (hw / "sys/bus/pci/devices" / bus_id).resolve(strict=True)
    return list(path.relative_to((hw / "sys/devices").resolve()).parts[:-1])


def acs_offset(config: bytes) -> int | None:
    """Walk the extended capabilities as setpci does."""
    at = 0x100
    while at:
        header = struct.unpack_from("<I", config, at)[0]
        if header & 0xFFFF == 0x000D:
            return at
        at = header >> 20
    return None


@pytest.mark.parametrize("profile", EVERY_PROFILE)
def test_each_card_lies_below_the_bridges_that_the_profile_says(tmp_path: Path, profile: str) -> None:
    hw = hardware(tmp_path, profile)
    cards = profiles.load(profile, "node").cards
    assert cards
    for card in cards:
        assert bridges(hw, card.bus_id) == list(card.path)
        assert (hw / "sys/bus/pci/devices" / card.bus_id / "vendor").read_text() == "0x10de\n"


def test_ports_have_acs_but_upstream_ports_of_switches_do_not(tmp_path: Path) -> None:
    hw = hardware(tmp_path, "turin-8x-server")
    found = {}
    for bus_id in bridges(hw, "0000:06:00.0")[1:]:
        config = (hw / "sys/bus/pci/devices" / bus_id / "config").read_bytes()
        at = acs_offset(config)
        found[bus_id] = None if at is None else struct.unpack_from("<H", config, at + 6)[0]
    assert found == {"0000:00:01.1": 0x1D, "0000:01:00.0": None, "0000:02:03.0": 0x1D}


def test_a_node_with_a_hole(tmp_path: Path) -> None:
    system = hardware(tmp_path, "turin-8x-server") / "sys/devices/system"
    assert (system / "node/node1/cpulist").read_text() == "64-127,192-238,240-255\n"
    assert (system / "cpu/offline").read_text() == "239\n"
    assert (system / "cpu/cpu239/online").read_text() == "0\n"
    assert not (system / "cpu/cpu239/topology").exists()
    assert (system / "cpu/cpu64/topology/physical_package_id").read_text() == "1\n"
    assert (system / "cpu/cpu5/topology/thread_siblings_list").read_text() == "5,133\n"


def test_files_of_equal_content_may_be_one_but_say_each_their_own(tmp_path: Path) -> None:
    cpus = hardware(tmp_path, "turin-8x-server") / "sys/devices/system/cpu"
    for number in (0, 17, 63, 128, 200, 255):
        core = int((cpus / f"cpu{number}/topology/core_id").read_text())
        assert core == number % 128 % 64


@pytest.mark.parametrize("profile", ["h200-x2", "workstation-4x-maxq"])
def test_firmware_that_does_not_tell_the_node(tmp_path: Path, profile: str) -> None:
    hw = hardware(tmp_path, profile)
    nodes = {path.read_text() for path in (hw / "sys/bus/pci/devices").glob("*/numa_node")}
    assert nodes == {"-1\n"}


def test_a_virtual_machine_has_no_governor(tmp_path: Path) -> None:
    assert not (hardware(tmp_path, "h200-x2") / "sys/devices/system/cpu/cpufreq").exists()
    real = hardware(tmp_path, "turin-6x") / "sys/devices/system/cpu/cpu5/cpufreq/scaling_governor"
    assert real.read_text() == "schedutil\n"


def test_no_two_nodes_have_a_card_in_common_and_a_node_keeps_its_own() -> None:
    one, two = (profiles.load("turin-8x-server", owner) for owner in ("gpu-1", "gpu-2"))
    assert not {card.uuid for card in one.cards} & {card.uuid for card in two.cards}
    assert one == profiles.load("turin-8x-server", "gpu-1")


@pytest.mark.parametrize("profile", EVERY_PROFILE)
def test_every_profile_is_whole(profile: str) -> None:
    loaded = profiles.load(profile)
    assert len({card.minor for card in loaded.cards}) == len(loaded.cards)
    for card in loaded.cards:
        least, default, most = card.edition.limits_watts
        assert least <= default <= most
        assert card.node < len(loaded.numa)
    cpus = [cpu for node in loaded.numa for cpu in node.cpus]
    threads = loaded.cpu["sockets"] * loaded.cpu["cores_per_socket"] * loaded.cpu["threads_per_core"]
    assert sorted([*cpus, *loaded.cpu["offline"]]) == list(range(threads))


def test_a_profile_that_is_not_there() -> None:
    with pytest.raises(LabError) as raised:
        profiles.load("turin-9x")
    assert "turin-8x-server" in str(raised.value.next_step)


@given(st.sets(st.integers(0, 300)))
def test_cpu_lists_come_back_as_they_were(cpus: set[int]) -> None:
    assert set(profiles.cpu_numbers(profiles.cpu_list(cpus))) == cpus


def test_faults_survive_when_the_tree_is_written_again(tmp_path: Path) -> None:
    hw = hardware(tmp_path, "turin-8x-server")
    faults.inject(hw, "refuse-limit", ["0000:76:00.0", "on"])
    hardware(tmp_path, "turin-8x-server")
    assert (hw / "faults/refuse-limit/0000:76:00.0").exists()


@pytest.mark.parametrize(
    ("kind", "args", "said"),
    [
        ("missing-card", ["9", "on"], "GPU-"),
        ("missing-card", ["1"], "CARD on|off"),
        ("hang-nvml", ["maybe"], "on, deep or off"),
        ("ecc-errors", ["0", "many"], "many"),
        ("fire", [], "lost-card"),
    ],
)
def test_a_fault_that_makes_no_sense(tmp_path: Path, kind: str, args: list[str], said: str) -> None:
    hw = hardware(tmp_path, "turin-6x")
    with pytest.raises(LabError) as raised:
        faults.inject(hw, kind, args)
    assert said in f"{raised.value} {raised.value.next_step}"
    assert not any(path.is_file() for path in (hw / "faults").rglob("*"))


@pytest.mark.parametrize("word", ["2", "0000:61:00.0"])
def test_a_card_is_named_by_index_or_bus_id_or_uuid(tmp_path: Path, word: str) -> None:
    hw = hardware(tmp_path, "turin-6x")
    assert "0000:61:00.0" in faults.inject(hw, "missing-card", [word, "on"])
    uuid = next(c["uuid"] for c in json.loads((hw / "profile.json").read_text())["cards"] if c["minor"] == 2)
    faults.inject(hw, "missing-card", [uuid, "off"])
    assert not list((hw / "faults/missing").iterdir())


def test_programs_of_the_node_are_valid(tmp_path: Path) -> None:
    programs = [path for path in (hardware(tmp_path, "turin-6x") / "bin").iterdir() if path.is_file()]
    assert {"boot", "request", "modprobe", "update-grub", "glmlab.py"} <= {path.name for path in programs}
    for path in programs:
        first = path.read_text().partition("\n")[0]
        if "python3" in first or path.suffix == ".py":
            compile(path.read_text(), str(path), "exec")
        else:
            subprocess.run(["sh", "-n", path], check=True)
        assert path.suffix == ".py" or path.stat().st_mode & 0o111
