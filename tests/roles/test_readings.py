"""What our modules read on a host."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.roles.modules import load

apt = load("glmprov_apt")
host = load("glmprov_host")
limits = load("gpu_power_limits")
now = load("host_tuning_now")
preflight = load("gpu_driver_preflight")


@pytest.mark.parametrize(
    ("version", "upstream"),
    [
        ("580.95.05-1", "580.95.05"),
        ("1:580.95.05-0ubuntu0.24.04.2", "580.95.05"),
        ("580-1", "580"),
        ("6.14.0-37.37~24.04.1+1", "6.14.0"),
        ("1.0", "1.0"),
    ],
)
def test_upstream_part_of_a_version(version: str, upstream: str) -> None:
    assert apt.upstream(version) == upstream


def test_apts_own_words_are_found_in_its_output() -> None:
    out = "Reading package lists...\nBuilding dependency tree...\n"
    err = "W: Some warning\nE: Unable to fetch some archives, maybe run apt-get update?\n"
    why = apt.Apt._why(["apt-get", "-o", "DPkg::Lock::Timeout=300", "-y", "install", "docker.io"], out, err)
    assert why == "apt-get install docker.io: E: Unable to fetch some archives, maybe run apt-get update?"


def test_limits_are_read_from_nvidia_smi() -> None:
    text = "GPU-1, 400.00, Enabled\nGPU-2, [N/A], Disabled\nGPU is lost\n"
    assert limits.parse(text) == {"GPU-1": (400, True), "GPU-2": (None, False)}
    assert limits.wrong(limits.parse(text), {"GPU-1": 400}) == []
    assert limits.wrong(limits.parse(text), {"GPU-1": 500, "GPU-2": 400, "GPU-3": 400}) == [
        "GPU-1: 400 W, persistence mode on",
        "GPU-2: None W, persistence mode off",
        "GPU-3: the driver doesn't show this card",
    ]


def test_a_refusal_is_told_with_the_drivers_last_words() -> None:
    journal = "Starting\nGPU-1: 400 W not set: lost\nGPU-1: 400 W not set: Unknown Error\nGPU-10: other\n"
    line = "GPU-1: 600 W, persistence mode on"
    assert limits.in_words(line, journal) == f"{line}; 400 W not set: Unknown Error"
    assert limits.in_words(line, "") == line


def _config(*capabilities: tuple[int, int], control: int = 0) -> bytes:
    """A configuration space with extended capabilities (id, address), linked in this order."""
    config = bytearray(4096)
    for (identity, at), (_, following) in zip(capabilities, [*capabilities[1:], (0, 0)], strict=True):
        config[at : at + 4] = (identity | 1 << 16 | following << 20).to_bytes(4, "little")
        if identity == now.ACS:
            config[at + 6 : at + 8] = control.to_bytes(2, "little")
    return bytes(config)


@pytest.mark.parametrize("address", [0x170, 0x2A0])
def test_the_acs_capability_is_found_wherever_it_lies(address: int) -> None:
    assert now.acs_control(_config((1, 0x100), (now.ACS, address), control=0x1D)) == 0x1D
    assert now.acs_control(_config((1, 0x100), (0x19, address))) is None
    assert now.acs_control(bytes(256)) is None


@given(st.binary(max_size=4096))
def test_no_configuration_space_keeps_the_search_from_ending(config: bytes) -> None:
    control = now.acs_control(config)
    assert control is None or 0 <= control <= 0xFFFF


def test_a_loaded_driver_is_read_from_its_version_file() -> None:
    text = (
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  595.58.03  Release Build  (dvs-builder)\n"
        "GCC version:  gcc version 13.3.0\n"
    )
    assert preflight.loaded_version(text) == ("595.58.03", True)
    closed = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\n"
    assert preflight.loaded_version(closed) == ("550.54.15", False)
    assert preflight.loaded_version(None) == ("", False)


def test_secure_boot_is_the_byte_after_the_attributes(tmp_path: Path) -> None:
    assert not preflight.secure_boot(str(tmp_path))
    variable = tmp_path / "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
    variable.write_bytes(b"\x06\x00\x00\x00\x01")
    assert preflight.secure_boot(str(tmp_path))
    variable.write_bytes(b"\x06\x00\x00\x00\x00")
    assert not preflight.secure_boot(str(tmp_path))


def test_sysctl_keys_with_dots_inside_a_part() -> None:
    assert now.sysctl_path("net.ipv4.conf.eth0/1.rp_filter") == "/proc/sys/net/ipv4/conf/eth0.1/rp_filter"


def test_files_are_written_once_and_removed_when_not_wanted(tmp_path: Path) -> None:
    path = tmp_path / "new/file.conf"
    file = {"path": str(path), "content": "a=1\n", "mode": "0640", "wanted": True, "given": True}
    assert host.write_files([file], check_mode=True) and not path.exists()
    (diff,) = host.write_files([file], check_mode=False)
    assert (diff["before"], diff["after"]) == ("", "a=1\n")
    assert path.stat().st_mode & 0o777 == 0o640
    assert host.write_files([file], check_mode=False) == []
    path.chmod(0o600)
    assert host.write_files([file], check_mode=False) and path.stat().st_mode & 0o777 == 0o640
    assert host.write_files([{**file, "content": "b", "given": False}], check_mode=False) == []
    assert host.write_files([{**file, "wanted": False}], check_mode=False) and not path.exists()
    assert list(path.parent.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="making device nodes needs root")
def test_device_links_are_made_for_character_devices(tmp_path: Path) -> None:
    try:
        os.mknod(tmp_path / "nvidia0", 0o020600, os.makedev(1, 3))
    except OSError:
        pytest.skip("this machine lets nobody make device nodes")
    (tmp_path / "nvidia-notes").write_text("")
    host.link_devices(str(tmp_path))
    host.link_devices(str(tmp_path))
    assert {link.name: str(link.readlink()) for link in (tmp_path / "char").iterdir()} == {
        "1:3": "../nvidia0"
    }
