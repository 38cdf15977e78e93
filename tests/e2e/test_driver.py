"""The driver through its life: upgrades by batches, the way back, the kernel that moves, names, Secure Boot.

Two hosts of two naming schemes share one fleet and the tests run in order: genoa-4x is Debian with NVIDIA's repository,
ubuntu-4x calls itself Ubuntu, with NVIDIA's repository first and Ubuntu's archive in a fleet of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from driver_host import DEBIAN, MODULE, NEW, OLD, PROVISION, UBUNTU, installed, loaded, only_managing, results
from glmprov_program import keys, run
from rehearsal import Fleet, running_fleet

pytestmark = pytest.mark.fleet

UPGRADE = ("-e", "gpu_driver_branch=595")


@pytest.fixture(scope="module")
def pair(_root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with running_fleet(tmp_path_factory.mktemp("driver"), "genoa-4x-workstation", "ubuntu-4x-server") as up:
        only_managing(up, "gpu_driver", "container_engine")
        run(up, "provision", "--yes").expect(0)
        yield up


def test_a_canary_whose_module_does_not_build_stops_the_upgrade(pair: Fleet) -> None:
    canary, other = pair.nodes[DEBIAN], pair.nodes[UBUNTU]
    before = installed(other)
    assert "libnvidia-compute-580" in before
    pair.fault(DEBIAN, "dkms", "fails", "on")
    ran = run(pair, *PROVISION, *UPGRADE, "--serial", "1", "--reboot").expect(1)
    assert ran.host(DEBIAN)["batch"] == 1 and not ran.host(DEBIAN)["rebooted"]
    assert (
        "Bad return status for module build on kernel: 6.1.0-48-amd64" in ran.host(DEBIAN)["error"]["message"]
    )
    assert not ran.host(UBUNTU)["applied"] and installed(other) == before
    assert canary.ssh("cat /proc/driver/nvidia/version").count(OLD) == 1
    pair.fault(DEBIAN, "dkms", "fails", "off")


def test_the_way_back_needs_no_package_source_and_holds(pair: Fleet) -> None:
    canary = pair.nodes[DEBIAN]
    sources = "/etc/apt/sources.list /etc/apt/sources.list.d"
    canary.ssh(f"tar cf /root/sources.tar {sources} 2>/dev/null && rm -r {sources} && apt-get update -qq")
    one = (*UPGRADE, "-l", DEBIAN)
    # The repository's definition is ours and is written again; what it serves is not needed.
    run(pair, *PROVISION, *one, "--driver-rollback").expect(0)
    canary.ssh("tar xf /root/sources.tar -C / && apt-get update -qq")
    found = installed(canary)
    assert {version for name, version in found.items() if "pinning" not in name} == {OLD}
    assert "nvidia-driver-pinning-580" in found and "nvidia-driver-pinning-595" not in found
    assert loaded(canary) == OLD
    again = run(pair, *PROVISION, *one).expect(0).host(DEBIAN)
    assert again["keys"] == [] and any(f"{NEW} was gone back from" in note for note in again["notes"])
    run(pair, "audit", *one).expect(0)


def test_the_upgrade_goes_on_where_it_is_ordered(pair: Fleet) -> None:
    batches = ("--serial", "1,100%", "--reboot")
    ran = run(pair, *PROVISION, *UPGRADE, "--driver-forward", *batches).expect(0)
    assert [ran.host(name)["batch"] for name in (DEBIAN, UBUNTU)] == [1, 2]
    for node in pair.nodes.values():
        assert loaded(node) == NEW
        assert {version for name, version in installed(node).items() if "pinning" not in name} == {NEW}
    assert not [name for name in installed(pair.nodes[UBUNTU]) if "580" in name]
    run(pair, "audit", *UPGRADE).expect(0)


def test_the_way_back_crosses_names_and_containers_get_the_older_libraries(pair: Fleet) -> None:
    node, one = pair.nodes[UBUNTU], (*UPGRADE, "-l", UBUNTU)
    node.ssh("mkdir -p /etc/cdi && nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml")
    ran = run(pair, *PROVISION, *one, "--driver-rollback", "--reboot").expect(0)
    assert set(results(ran, UBUNTU).values()) == {"FIXED"}
    assert loaded(node) == OLD and "libnvidia-compute-580" in installed(node)
    assert results(ran, UBUNTU)["gpu_driver.cdi_specs[/etc/cdi/nvidia.yaml]"] == "FIXED"
    assert f"libcuda.so.{OLD}" in node.ssh("cat /etc/cdi/nvidia.yaml")
    run(pair, "audit", *one).expect(0)


def test_a_kernel_without_a_module_is_named_and_not_booted_before_it_has_one(pair: Fleet) -> None:
    node, one = pair.nodes[DEBIAN], (*UPGRADE, "-l", DEBIAN)
    boot = node.boot_id
    node.ssh(
        "apt-mark unhold linux-image-amd64 && apt-get update -qq && apt-get install -y -qq linux-image-amd64"
    )
    host = run(pair, "audit", "--json", *one).expect(3).host(DEBIAN)
    assert {MODULE, "gpu_driver.held[linux-image-amd64]"} == keys(host)
    said = next(each["reason"] for each in host["differences"] if each["key"] == MODULE)
    assert said == f"kernel 6.1.0-49-amd64 boots next and has no nvidia module of {NEW}"

    pair.fault(DEBIAN, "dkms", "fails", "on")
    ran = run(pair, *PROVISION, *one, "--reboot").expect(1)
    assert results(ran, DEBIAN)[MODULE] == "FAILED" and node.boot_id == boot
    assert (
        "Bad return status for module build on kernel: 6.1.0-49-amd64" in ran.host(DEBIAN)["error"]["message"]
    )

    pair.fault(DEBIAN, "dkms", "fails", "off")
    ran = run(pair, *PROVISION, *one).expect(0)
    assert results(ran, DEBIAN)[MODULE] == "FIXED"
    pair.reboot(DEBIAN)
    assert node.ssh("uname -r") == "6.1.0-49-amd64" and loaded(node) == NEW
    run(pair, "audit", *one).expect(0)


def test_ubuntus_own_modules_under_secure_boot(bring_up: Callable[..., Fleet]) -> None:
    fleet = bring_up("ubuntu-4x-server")
    only_managing(fleet, "gpu_driver")
    node = fleet.nodes[UBUNTU]
    fleet.fault(UBUNTU, "secure-boot", "on")
    error = run(fleet, "plan", "--json").host(UBUNTU)["error"]
    assert "Secure Boot is on" in error["message"] and "mokutil --import" in error["message"]
    run(fleet, "provision", "--yes").expect(1)
    assert installed(node) == {}

    archive = ("-e", "gpu_driver_source=ubuntu")
    refused = run(fleet, *PROVISION, *archive, "-e", "gpu_driver_branch=590").expect(1)
    assert "would install nvidia-headless-no-dkms-595-server-open" in refused.host(UBUNTU)["error"]["message"]
    assert installed(node) == {}

    run(fleet, "provision", "--yes", *archive).expect(0)
    assert loaded(node) == OLD
    assert "linux-modules-nvidia-580-server-open-6.8.0-88-generic" in installed(node)

    node.ssh(
        "apt-mark unhold linux-generic linux-image-generic linux-headers-generic && "
        "apt-get install -y -qq linux-generic"
    )
    assert MODULE in keys(run(fleet, "audit", "--json", *archive).expect(3).host(UBUNTU))
    run(fleet, "provision", "--yes", *archive).expect(0)
    fleet.reboot(UBUNTU)
    assert node.ssh("uname -r") == "6.8.0-90-generic" and loaded(node) == OLD
    run(fleet, "audit", *archive).expect(0)
