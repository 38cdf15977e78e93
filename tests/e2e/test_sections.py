"""Power, tuning and engine on one host with mixed cards and a Docker Engine of its owner's.

The tests share one node and go in order: each starts where the one before left the host.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from glmprov_program import Ran, keys, run
from rehearsal import Fleet, Node, running_fleet

pytestmark = pytest.mark.fleet

NAME = "mixed-4x"
SIDES = ("declared", "effective")
LIMITS = "nvidia-smi --query-gpu=power.limit --format=csv,noheader,nounits"

THEIR_DAEMON = json.dumps({
    "exec-opts": ["native.umask=normal", "native.cgroupdriver=cgroupfs"],
    "log-opts": {"max-size": "10m"},
    "runtimes": {"nvidia": {"path": "nvidia-container-runtime"}},
})  # fmt: skip

THEIR_ENGINE = f"""set -e
export DEBIAN_FRONTEND=noninteractive
cd /tmp && apt-get update -qq && apt-get download -qq docker.io && dpkg-deb -R docker.io_*.deb ce
sed -i -e 's/^Package: .*/Package: docker-ce/' -e 's/^Version: .*/Version: 5:28.1.1-1~debian.12~bookworm/' \
    -e '/^Breaks:/d' -e '/^Replaces:/d' -e '/^Conflicts:/d' -e '/^Version:/a Conflicts: docker.io' ce/DEBIAN/control
dpkg-deb -b -Znone ce docker-ce.deb >/dev/null
mkdir -p /etc/docker && echo '{THEIR_DAEMON}' >/etc/docker/daemon.json
apt-get install -y -qq --no-install-recommends ./docker-ce.deb >/dev/null 2>&1
mkdir -p /tmp/root/bin && cp /usr/bin/busybox /tmp/root/bin/
for name in sh dd sleep; do ln -s busybox /tmp/root/bin/$name; done
tar c -C /tmp/root . | docker import - box >/dev/null
docker run -d --name theirs --stop-timeout 1 --network none --restart always box sleep 9999 >/dev/null
"""
"""What NVIDIA's and Docker's own instructions leave on a host: docker-ce with the runtime and cgroupfs configured."""


@pytest.fixture(scope="module")
def fleet(_root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with running_fleet(tmp_path_factory.mktemp("sections"), "mixed-4x") as up:
        yield up


@pytest.fixture(scope="module")
def node(fleet: Fleet) -> Node:
    return fleet.nodes[NAME]


def say(fleet: Fleet, **variables: Any) -> None:
    """Let the inventory say this of the host, and nothing else: no mirror either, which all hosts of the lab have."""
    folder = fleet.inventory.parent / "host_vars"
    folder.mkdir(exist_ok=True)
    (folder / f"{NAME}.yml").write_text(yaml.safe_dump({"container_engine_daemon": {}, **variables}))


def provision(fleet: Fleet, code: int = 0, *options: str) -> Mapping[str, Any]:
    return run(fleet, "provision", "--yes", "--json", *options).expect(code).host(NAME)


def results(host: Mapping[str, Any], result: str) -> dict[str, str]:
    """Return keys with this result, and why."""
    return {each["key"]: each["reason"] for each in host["keys"] if each["result"] == result}


def planned(fleet: Fleet) -> tuple[Ran, dict[str, str]]:
    """Return the plan, and its reasons by key."""
    ran = run(fleet, "plan", "--json")
    return ran, {each["key"]: each["reason"] for each in ran.host(NAME).get("differences", ())}


def reads_card(node: Node, container: str) -> str:
    """Return what opening the first card's file says in a container. One that is let through finds no real card."""
    command = f"docker exec {container} sh -c 'dd if=/dev/nvidia0 of=/dev/null count=1 2>&1'"
    return node.ssh(command, check=False)


def engine(node: Node) -> tuple[str, ...]:
    """Return what tells whether an engine was touched: package, settings, daemon, container."""
    commands = (
        "dpkg-query -W -f '${Package} ${Version}' docker-ce",
        "cat /etc/docker/daemon.json",
        "cat /run/docker.pid",
        "docker inspect -f '{{.Id}} {{.State.StartedAt}}' theirs",
    )
    return tuple(node.ssh(command) for command in commands)


def test_an_engine_of_theirs_is_not_touched(fleet: Fleet, node: Node) -> None:
    node.ssh(THEIR_ENGINE)
    before = engine(node)
    say(fleet, container_engine_package="docker.io")
    host = provision(fleet)
    assert "container_engine_package docker.io: the host has docker-ce, which is kept" in host["notes"]
    assert engine(node) == before
    assert node.ssh("dpkg-query -W -f '${Status}' docker.io", check=False) != "install ok installed"
    assert not [key for key in results(host, "FIXED") if key.startswith("container_engine.daemon")]


def test_each_edition_has_its_own_cap_and_a_budget_lowers_them_evenly(fleet: Fleet, node: Node) -> None:
    assert node.ssh(LIMITS).split() == ["400.00", "400.00", "400.00", "300.00"]
    say(fleet, gpu_power_budget_watts=1160)
    assert "budget of 1160 W for 4 cards" in " ".join(planned(fleet)[1].values())
    provision(fleet)
    assert node.ssh(LIMITS).split() == ["300.00", "300.00", "280.00", "280.00"]
    say(fleet, gpu_power_budget_watts=1160, gpu_power_limit_watts=320)
    error = run(fleet, "plan", "--json").expect(1).host(NAME)["error"]
    assert "gpu_power_budget_watts 1160: 4 × 320 W (ordered) = 1280 W, 120 W above it" in error["message"]
    say(fleet)
    raised = [key for key in planned(fleet)[1] if key.startswith("gpu_power")]
    assert not raised, "without an order nothing is raised"


def test_a_card_that_refuses_is_named_and_the_others_are_set(fleet: Fleet, node: Node) -> None:
    say(fleet, gpu_power_limit_watts=320)
    fleet.fault(NAME, "refuse-limit", "1", "on")
    node.ssh("rm /etc/glmprov/nccl.env")
    uuid = node.ssh("nvidia-smi -i 1 --query-gpu=uuid --format=csv,noheader")
    reasons = planned(fleet)[1]
    assert reasons[f"gpu_power.limit_watts[{uuid}].effective"] == "inventory; raises it from 300 W"
    host = provision(fleet, 1)
    failed = results(host, "FAILED")
    assert set(failed) == {f"gpu_power.limit_watts[{uuid}].effective", "gpu_power.boot_unit.active"}
    assert "320 W not set: " in failed[f"gpu_power.limit_watts[{uuid}].effective"]
    assert "nccl_env.env[NCCL_P2P_LEVEL]" in results(host, "FIXED"), "the roles after it are not kept back"
    assert node.ssh(LIMITS).split() == ["320.00", "300.00", "320.00", "320.00"]


def test_a_boot_with_such_a_card_sets_the_others_and_fails_naming_it(fleet: Fleet, node: Node) -> None:
    fleet.reboot(NAME)
    assert node.ssh("systemctl is-system-running --wait", check=False) == "degraded"
    assert node.ssh(LIMITS).split() == ["320.00", "600.00", "320.00", "320.00"]
    uuid = node.ssh("nvidia-smi -i 1 --query-gpu=uuid --format=csv,noheader")
    assert f"{uuid}: 320 W not set: " in node.ssh("journalctl -b -o cat -u glmprov-gpu-power")
    fleet.fault(NAME, "refuse-limit", "1", "off")
    provision(fleet)
    run(fleet, "audit").expect(0)


def test_a_limit_that_is_not_enforced_is_said(fleet: Fleet, node: Node) -> None:
    fleet.fault(NAME, "hold-power", "0", "310")
    uuid = node.ssh("nvidia-smi -i 0 --query-gpu=uuid --format=csv,noheader")
    audit = run(fleet, "audit", "--json").expect(3).host(NAME)
    (found,) = audit["differences"]
    assert found["key"] == f"gpu_power.limit_in_force[{uuid}]"
    assert "enforces 310 W of its limit of 320 W" in found["reason"]


TUNED = {
    "gpu_power_limit_watts": 320,
    "host_tuning_kernel_arguments": {"pcie_aspm": "off"},
    "host_tuning_sysctl": {"vm.max_map_count": 262144},
    "host_tuning_limits": {"nofile": 65536},
    "host_tuning_p2p": "auto",
}


def test_module_options_are_in_force_after_a_reboot(fleet: Fleet, node: Node) -> None:
    node.ssh("sed -i 's/^GRUB_CMDLINE_LINUX_DEFAULT=.*/GRUB_CMDLINE_LINUX_DEFAULT=\"quiet  crashkernel=256M\"/' "
             "/etc/default/grub")  # fmt: skip
    say(fleet, **TUNED)
    host = provision(fleet, 0, "--reboot")
    assert host["rebooted"] and {each["result"] for each in host["keys"]} == {"FIXED"}
    assert node.ssh("cat /proc/cmdline").split()[-4:] == [
        "quiet",
        "crashkernel=256M",
        "iommu=pt",
        "pcie_aspm=off",
    ]
    assert "ForceP2P=0x11" in node.ssh("grep ^RegistryDwords: /proc/driver/nvidia/params")
    assert node.ssh("cat /sys/module/nvidia_uvm/parameters/uvm_disable_hmm") == "Y"
    run(fleet, "audit").expect(0)


def test_what_the_plan_drops_is_taken_away_and_nothing_of_others(fleet: Fleet, node: Node) -> None:
    theirs = node.ssh("sha256sum /etc/default/grub /etc/docker/daemon.json")
    say(fleet, gpu_power_limit_watts=320, host_tuning_kernel_arguments={"iommu": None})
    audit = run(fleet, "audit", "--json").expect(3).host(NAME)
    dropped = {
        *(f"host_tuning.kernel_arguments[{n}].{side}" for n in ("iommu", "pcie_aspm") for side in SIDES),
        "host_tuning.module_options[nvidia.NVreg_RegistryDwords].declared",
        "host_tuning.sysctl[vm.max_map_count].declared",
        "host_tuning.limits[nofile]",
    }
    assert keys(audit, "PENDING") == dropped and not keys(audit)
    host = provision(fleet, 0, "--reboot")
    assert set(results(host, "FIXED")) == dropped and len(host["keys"]) == len(dropped)
    assert node.ssh("cat /proc/cmdline").split()[-2:] == ["quiet", "crashkernel=256M"]
    assert node.ssh("ls /etc/default/grub.d") == "", "without arguments of ours there is no file of ours"
    assert node.ssh("grep ^RegistryDwords: /proc/driver/nvidia/params") == 'RegistryDwords: ""'
    assert node.ssh("sysctl -n vm.max_map_count") == "65530"
    assert node.ssh("sha256sum /etc/default/grub /etc/docker/daemon.json") == theirs
    run(fleet, "audit").expect(0)


def run_on_a_card(node: Node, name: str) -> None:
    cards = "--runtime nvidia -e NVIDIA_VISIBLE_DEVICES=all"
    node.ssh(f"docker run -d --name {name} --stop-timeout 1 {cards} --network none box sleep 9999")


LET_THROUGH, CUT_OFF = "No such device or address", "Operation not permitted"


def test_a_daemon_reload_leaves_a_running_container_its_cards(fleet: Fleet, node: Node) -> None:
    run_on_a_card(node, "served")
    assert LET_THROUGH in reads_card(node, "served")
    node.ssh("systemctl daemon-reload")
    assert LET_THROUGH in reads_card(node, "served")
    node.ssh("rm /etc/systemd/system/glmprov-gpu-power.service")
    provision(fleet)
    assert LET_THROUGH in reads_card(node, "served"), "and ours, that comes with a unit, too"


def test_under_the_systemd_driver_the_links_make_it_harmless_and_nothing_else(
    fleet: Fleet, node: Node
) -> None:
    node.ssh(
        "docker rm -f served && sed -i s/cgroupfs/systemd/ /etc/docker/daemon.json && systemctl restart docker"
    )
    run_on_a_card(node, "linked")
    node.ssh("systemctl daemon-reload")
    assert LET_THROUGH in reads_card(node, "linked")
    node.ssh("docker rm -f linked && rm /dev/char/195:* /dev/char/510:*")
    run_on_a_card(node, "bare")
    assert LET_THROUGH in reads_card(node, "bare")
    node.ssh("systemctl daemon-reload")
    assert CUT_OFF in reads_card(node, "bare"), "without the links this fleet shows the failure"


def test_acs_stays_on_where_a_virtual_machine_runs(fleet: Fleet, node: Node) -> None:
    node.ssh("mkdir -p /run/libvirt/qemu && touch /run/libvirt/qemu/web-1.xml")
    ran, reasons = planned(fleet)
    dropped = {key for key in reasons if key.startswith("host_tuning.acs_disabled[")}
    assert len(dropped) == 4 and {reasons[key] for key in dropped} == {"ours, and no longer asked for"}
    assert "ACS stays on: virtual machines run here (web-1 running)" in ran.host(NAME)["notes"]
