"""What the next boot needs: a module, and one that Secure Boot lets the kernel load. No reboot without it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from driver_host import (
    DEBIAN,
    MODULE,
    NEW,
    OLD,
    PROVISION,
    UBUNTU,
    installed,
    loaded,
    only_managing,
    reasons,
    results,
)
from glmprov_program import keys, run
from rehearsal import Fleet

pytestmark = pytest.mark.fleet

CONFIGURED = "gpu_driver.next_kernel_configured"
LOADED = "gpu_driver.version.effective"
UPGRADE = ("-e", "gpu_driver_branch=595")
NEXT = "6.8.0-90-generic"


def test_a_key_that_is_enrolled_lets_modules_of_this_host_load(bring_up: Callable[..., Fleet]) -> None:
    fleet = bring_up("genoa-4x-workstation")
    only_managing(fleet, "gpu_driver")
    node = fleet.nodes[DEBIAN]
    fleet.fault(DEBIAN, "secure-boot", "on")
    refused = run(fleet, *PROVISION).expect(1).host(DEBIAN)["error"]["message"]
    assert (
        "apt-get install dkms mokutil; dkms generate_mok; mokutil --import /var/lib/dkms/mok.pub" in refused
    )
    assert installed(node) == {}

    node.ssh("apt-get update -qq && apt-get install -y -qq dkms && dkms generate_mok")
    node.ssh("mokutil --import /var/lib/dkms/mok.pub")
    refused = run(fleet, *PROVISION).expect(1).host(DEBIAN)["error"]["message"]
    assert "confirm it at the console" in refused and "generate_mok" not in refused
    assert installed(node) == {}

    fleet.fault(DEBIAN, "enroll-keys", "on")
    run(fleet, "provision", "--yes").expect(0)
    assert loaded(node) == OLD and node.ssh("modinfo -F signer nvidia") == "DKMS module signing key"
    fleet.reboot(DEBIAN)
    assert loaded(node) == OLD and "is rejected" not in node.ssh("journalctl --boot --dmesg --output=cat")
    run(fleet, "audit").expect(0)

    boot = node.boot_id
    fleet.fault(DEBIAN, "dkms", "unsigned", "on")
    ran = run(fleet, *PROVISION, *UPGRADE, "--reboot").expect(1)
    assert results(ran, DEBIAN)[MODULE] == "FAILED" and not ran.host(DEBIAN)["rebooted"]
    assert f"has no nvidia module of {NEW} that Secure Boot lets it load" in reasons(ran, DEBIAN)[LOADED]
    assert node.boot_id == boot and "nvidia" in node.ssh("lsmod")

    fleet.fault(DEBIAN, "dkms", "unsigned", "off")
    node.ssh(f"dkms install --force -m nvidia -v {NEW} -k $(uname -r)")
    run(fleet, *PROVISION, *UPGRADE, "--reboot").expect(0)
    assert node.boot_id != boot and loaded(node) == NEW
    run(fleet, "audit", *UPGRADE).expect(0)


def test_a_host_is_not_rebooted_into_a_kernel_whose_module_does_not_build(
    bring_up: Callable[..., Fleet],
) -> None:
    fleet = bring_up("ubuntu-4x-server")
    only_managing(fleet, "gpu_driver")
    node = fleet.nodes[UBUNTU]
    run(fleet, "provision", "--yes").expect(0)
    waiting = run(fleet, *PROVISION, *UPGRADE).expect(0)
    assert results(waiting, UBUNTU)[LOADED] == "PENDING REBOOT" and loaded_module(fleet) == OLD

    fleet.fault(UBUNTU, "dkms", "fails", "on")
    node.ssh("apt-mark unhold linux-generic linux-image-generic linux-headers-generic")
    assert node.try_ssh("apt-get update -qq && apt-get install -y -qq linux-generic").returncode
    assert "half-configured" in node.ssh(f"dpkg-query -W -f '${{db:Status-Status}}' linux-image-{NEXT}")
    node.ssh("update-grub")  # as any other change of the kernel's arguments does
    found = run(fleet, "audit", "--json", "--fail-on", "drift", *UPGRADE).expect(3).host(UBUNTU)
    assert {MODULE, CONFIGURED} <= keys(found)
    said = {each["key"]: each["reason"] for each in found["differences"]}
    assert said[MODULE] == f"kernel {NEXT} boots next and has no nvidia module of {NEW}"
    assert f"dpkg isn't done with linux-image-{NEXT}" in said[CONFIGURED]

    boot = node.boot_id
    ran = run(fleet, *PROVISION, *UPGRADE, "--reboot").expect(1)
    assert node.boot_id == boot and not ran.host(UBUNTU)["rebooted"]
    assert f"module build on kernel: {NEXT}" in ran.host(UBUNTU)["error"]["message"]
    assert results(ran, UBUNTU)[MODULE] == "FAILED"
    assert f"not rebooted: kernel {NEXT} boots next and has no nvidia module" in reasons(ran, UBUNTU)[LOADED]
    assert (
        f"not rebooted: kernel {NEXT}" in run(fleet, "provision", "--yes", *UPGRADE, "--reboot").expect(1).out
    )

    fleet.fault(UBUNTU, "dkms", "fails", "off")
    ran = run(fleet, *PROVISION, *UPGRADE, "--reboot").expect(0)
    assert ran.host(UBUNTU)["rebooted"] and set(results(ran, UBUNTU).values()) == {"FIXED"}
    assert node.ssh("uname -r") == NEXT and loaded(node) == NEW
    assert node.ssh("dpkg --audit") == "" and node.ssh(f"ls /boot/initrd.img-{NEXT}")
    run(fleet, "audit", *UPGRADE).expect(0)


def loaded_module(fleet: Fleet) -> str:
    """Return the version of the loaded module, which no tool of another version answers for."""
    return fleet.nodes[UBUNTU].ssh("cat /sys/module/nvidia/version")
