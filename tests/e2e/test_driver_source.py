"""A driver that is to come from somewhere else: Ubuntu's archive gives way to NVIDIA's repository, and the other way.

The tests share one host and go in order: each starts with the driver that the one before has left.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from driver_host import (
    MODULE,
    NEW,
    OLD,
    PROVISION,
    UBUNTU,
    installed,
    loaded,
    only_managing,
    packages,
    results,
)
from glmprov_program import keys, run
from rehearsal import Fleet, Node, running_fleet

pytestmark = pytest.mark.fleet

ARCHIVE, NVIDIA = ("-e", "gpu_driver_source=ubuntu"), ("-e", "gpu_driver_source=nvidia")
ORIGIN = "gpu_driver.origin"
PREBUILT = "linux-modules-nvidia-580-server-open-6.8.0-88-generic"
SOURCE = "/etc/apt/sources.list.d/glmprov-nvidia.sources"
KEY = "/etc/apt/keyrings/glmprov-nvidia.asc"
OUR_PIN = "/etc/apt/preferences.d/glmprov-driver"
THEIR_PIN = "/etc/apt/preferences.d/nvidia-driver-pinning-580"


@pytest.fixture(scope="module")
def fleet(_root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with running_fleet(tmp_path_factory.mktemp("source"), "ubuntu-4x-server") as up:
        only_managing(up, "gpu_driver")
        run(up, "provision", "--yes", *ARCHIVE).expect(0)
        yield up


@pytest.fixture
def node(fleet: Fleet) -> Node:
    return fleet.nodes[UBUNTU]


def sources(node: Node) -> set[str]:
    """Return whose packages the driver's are, by how they number their versions."""
    driver = {name: version for name, version in packages(node).items() if version[:3] in ("580", "595")}
    numbered = (version for name, version in driver.items() if "pinning" not in name)
    return {"ubuntu" if "-0ubuntu0." in version else "nvidia" for version in numbered}


def there(node: Node, *paths: str) -> set[str]:
    return {path for path in paths if node.try_ssh(f"test -e {path}").returncode == 0}


def transaction_of(node: Node, name: str) -> str:
    """Return the last run of apt, by its own history, in which a package took part."""
    runs = node.ssh("cat /var/log/apt/history.log").split("Start-Date")
    return next(each for each in reversed(runs) if name in each)


def assert_all_is_held(node: Node) -> None:
    held = set(node.ssh("apt-mark showhold").split())
    assert held >= {name for name in packages(node) if "pinning" not in name}


def test_modules_that_secure_boot_would_refuse_are_refused_before_anything_is_changed(
    fleet: Fleet, node: Node
) -> None:
    before = packages(node)
    fleet.fault(UBUNTU, "secure-boot", "on")
    refused = run(fleet, *PROVISION, *NVIDIA).expect(1).host(UBUNTU)["error"]["message"]
    assert "gpu_driver_source nvidia: Secure Boot is on" in refused and "gpu_driver_source: ubuntu" in refused
    assert packages(node) == before and not there(node, SOURCE)
    fleet.fault(UBUNTU, "secure-boot", "off")


def test_the_archives_driver_gives_way_to_nvidias(fleet: Fleet, node: Node) -> None:
    audited = run(fleet, "audit", "--json", *NVIDIA).expect(3).host(UBUNTU)
    assert keys(audited, "PENDING") == {ORIGIN}
    ran = run(fleet, *PROVISION, *NVIDIA).expect(0)
    assert results(ran, UBUNTU)[ORIGIN] == "FIXED"
    assert sources(node) == {"nvidia"} and set(installed(node).values()) == {OLD, "580"}
    assert not [name for name in packages(node) if "-server" in name or name.startswith("linux-")]
    assert there(node, SOURCE, KEY, OUR_PIN, THEIR_PIN) == {SOURCE, KEY, THEIR_PIN}
    assert PREBUILT in transaction_of(node, "nvidia-dkms-580-open")
    assert_all_is_held(node)
    assert loaded(node) == OLD
    fleet.reboot(UBUNTU)
    assert loaded(node) == OLD and node.ssh("modinfo -F signer nvidia").startswith("DKMS")
    run(fleet, "audit", *NVIDIA).expect(0)
    assert run(fleet, *PROVISION, *NVIDIA).expect(0).host(UBUNTU)["keys"] == []


def test_the_way_back_leads_to_the_source_before_and_holds(fleet: Fleet, node: Node) -> None:
    fleet.fault(UBUNTU, "withdrawn-package", "libnvidia-compute-580-server", "on")
    node.ssh("apt-get update -qq && apt-get clean")
    ran = run(fleet, *PROVISION, *NVIDIA, "--driver-rollback").expect(0)
    assert results(ran, UBUNTU)[ORIGIN] == "FIXED"
    found = packages(node)
    assert PREBUILT in found and "nvidia-dkms-580-open" not in found and not there(node, THEIR_PIN)
    again = run(fleet, *PROVISION, *NVIDIA).expect(0).host(UBUNTU)
    assert again["keys"] == []
    assert any(f"{OLD} of source nvidia was gone back from" in note for note in again["notes"])
    run(fleet, "audit", *NVIDIA).expect(0)
    fleet.fault(UBUNTU, "withdrawn-package", "libnvidia-compute-580-server", "off")
    run(fleet, "provision", "--yes", *NVIDIA, "--driver-forward").expect(0)
    assert sources(node) == {"nvidia"}


def test_nvidias_driver_gives_way_to_the_archives(fleet: Fleet, node: Node) -> None:
    ran = run(fleet, *PROVISION, *ARCHIVE).expect(0)
    assert results(ran, UBUNTU)[ORIGIN] == "FIXED"
    assert sources(node) == {"ubuntu"} and PREBUILT in packages(node)
    assert "nvidia-dkms-580-open" not in packages(node)
    assert there(node, SOURCE, KEY, OUR_PIN, THEIR_PIN) == {OUR_PIN}
    assert PREBUILT in transaction_of(node, "nvidia-dkms-580-open")
    assert_all_is_held(node)
    node.ssh("apt-get update -qq")
    fleet.reboot(UBUNTU)
    assert loaded(node) == OLD and node.ssh("modinfo -F signer nvidia").startswith("Canonical")
    run(fleet, "audit", *ARCHIVE).expect(0)


def test_the_way_back_to_nvidias_driver(fleet: Fleet, node: Node) -> None:
    run(fleet, "provision", "--yes", *ARCHIVE, "--driver-rollback").expect(0)
    assert sources(node) == {"nvidia"} and there(node, SOURCE, OUR_PIN, THEIR_PIN) == {SOURCE, THEIR_PIN}
    run(fleet, "audit", *ARCHIVE).expect(0)
    run(fleet, "provision", "--yes", *ARCHIVE, "--driver-forward").expect(0)
    assert sources(node) == {"ubuntu"}


def test_source_and_branch_move_together(fleet: Fleet, node: Node) -> None:
    newer = (*NVIDIA, "-e", "gpu_driver_branch=595")
    run(fleet, "provision", "--yes", *newer, "--reboot").expect(0)
    assert loaded(node) == NEW and sources(node) == {"nvidia"}
    assert not [name for name in packages(node) if "580" in name]
    run(fleet, "audit", *newer).expect(0)

    older = (*ARCHIVE, "-e", "gpu_driver_branch=580")
    ran = run(fleet, *PROVISION, *older, "--reboot").expect(0)
    assert set(results(ran, UBUNTU).values()) == {"FIXED"} and MODULE not in results(ran, UBUNTU)
    assert loaded(node) == OLD and sources(node) == {"ubuntu"}
    assert not [name for name in packages(node) if "595" in name or "pinning" in name]
    run(fleet, "audit", *older).expect(0)
