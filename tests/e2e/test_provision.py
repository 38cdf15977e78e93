"""The whole loop on two hosts with different hardware: bare → provisioned → clean → drifted → repaired → rebooted → clean.

The tests of this module share one fleet and go in order: each starts where the one before left the hosts.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from glmprov_program import Ran, keys, run
from rehearsal import Fleet, Node

pytestmark = pytest.mark.fleet

NODES = ("turin-8x", "genoa-4x")
CARDS = {"turin-8x": 8, "genoa-4x": 4}


def limits(node: Node) -> set[str]:
    """Return the cards' power limits as nvidia-smi prints them."""
    return set(node.ssh("nvidia-smi --query-gpu=power.limit --format=csv,noheader,nounits").split())


def uuids(node: Node) -> list[str]:
    return re.findall(r"GPU-[0-9a-f-]{36}", node.ssh("nvidia-smi -L"))


def test_a_bare_host_is_planned_with_what_is_known_later(fleet: Fleet) -> None:
    ran = run(fleet, "plan", "--json", "--exit-code").expect(3)
    for name in NODES:
        host = ran.host(name)
        later = {each["key"]: each["expected"] for each in host["differences"] if each["verdict"] == "LATER"}
        assert "gpu_power.limit_watts" in later
        assert "driver" in later["gpu_power.limit_watts"]["later"]
        assert "nccl_env.env[NCCL_P2P_LEVEL]" in keys(host)


def test_an_audit_of_a_bare_host_says_never_provisioned(fleet: Fleet) -> None:
    host = run(fleet, "audit", "--json").expect(3).host("turin-8x")
    assert not keys(host, "DRIFT")
    assert {each["reason"] for each in host["differences"] if each["verdict"] == "PENDING"} == {
        "never provisioned"
    }


def test_without_a_terminal_nothing_is_changed_unless_told(fleet: Fleet) -> None:
    ran = run(fleet, "provision").expect(2)
    assert "--yes" in ran.err
    assert fleet.nodes["turin-8x"].ssh("ls /etc/glmprov /var/lib/glmprov 2>/dev/null || true") == ""


def test_bare_hosts_are_provisioned(fleet: Fleet) -> None:
    ran = run(fleet, "provision", "--yes", "--json", "--reboot").expect(0)
    for name in NODES:
        host = ran.host(name)
        results = {each["result"] for each in host["keys"]}
        assert results == {"FIXED"}, [each for each in host["keys"] if each["result"] != "FIXED"]
        node = fleet.nodes[name]
        assert limits(node) == {"400.00"}
        assert node.ssh("systemctl is-active docker nvidia-persistenced").split() == ["active", "active"]
        assert len(uuids(node)) == CARDS[name]
        receipt = json.loads(node.ssh("cat /var/lib/glmprov/receipt.json"))
        assert sorted(receipt["cards"]) == sorted(uuids(node))


def test_the_audit_is_clean(fleet: Fleet) -> None:
    ran = run(fleet, "audit", "--json").expect(0)
    assert all(host["differences"] == [] for host in ran.document["hosts"])


def test_a_second_run_changes_nothing_and_starts_no_ansible_playbook(fleet: Fleet, tmp_path: Path) -> None:
    before = {
        name: fleet.nodes[name].ssh("find /etc /usr/local -type f -printf '%p %T@ %s\\n' | sort")
        for name in NODES
    }
    trace = tmp_path / "execve"
    strace = ("strace", "-f", "-qq", "-e", "trace=execve", "-s", "200", "-o", str(trace))
    ran = run(fleet, "provision", "--yes", "--json", prefix=strace).expect(0)
    assert "execve(" in trace.read_text()
    assert "ansible-playbook" not in trace.read_text()
    for name in NODES:
        assert ran.host(name)["keys"] == [] and not ran.host(name)["applied"]
        now = fleet.nodes[name].ssh("find /etc /usr/local -type f -printf '%p %T@ %s\\n' | sort")
        assert now == before[name]


def drift_by_hand(node: Node) -> None:
    """What the field does to a host: a person, an upgrade and another tool."""
    node.ssh(f"nvidia-smi -i {uuids(node)[0]} -pl 600")
    node.ssh("sed -i 's/^NCCL_P2P_LEVEL=.*/NCCL_P2P_LEVEL=LOC/' /etc/glmprov/nccl.env")
    node.ssh("rm -f /etc/default/grub.d/90-glmprov.cfg && update-grub")
    node.ssh('echo \'{"log-driver": "json-file"}\' > /etc/docker/daemon.json')
    node.ssh(
        "apt-mark unhold $(apt-mark showhold) && rm -f /etc/apt/preferences.d/*pin* && apt-get update -qq && "
        "DEBIAN_FRONTEND=noninteractive apt-get install -y -qq nvidia-driver-cuda=595* nvidia-kernel-open-dkms=595* "
        "$(dpkg-query -W -f '${db:Status-Status} ${Package}\\n' '*nvidia*' libcuda1 "
        '| awk \'$1 == "installed" && /580/ == 0 {print $2"=595*"}\' | grep -v -e container -e pinning)'
    )


def test_each_drift_is_named_exactly(fleet: Fleet) -> None:
    node = fleet.nodes["turin-8x"]
    drift_by_hand(node)
    ran = run(fleet, "audit", "--json").expect(3)
    found = keys(ran.host("turin-8x"))
    assert f"gpu_power.limit_watts[{uuids(node)[0]}].effective" in found
    assert "nccl_env.env[NCCL_P2P_LEVEL]" in found
    assert "host_tuning.kernel_arguments[iommu].declared" in found
    assert "gpu_driver.version.declared" in found
    assert "container_engine.daemon[runtimes.nvidia.path]" in found
    touched = {"gpu_power", "nccl_env", "host_tuning", "gpu_driver", "container_engine"}
    assert {key.partition(".")[0] for key in found} == touched
    assert len([key for key in found if key.startswith("gpu_power.limit_watts")]) == 1
    assert ran.host("genoa-4x")["differences"] == []


def test_provision_repairs_and_a_reboot_finishes_it(fleet: Fleet) -> None:
    node = fleet.nodes["turin-8x"]
    boot = node.boot_id
    ran = run(fleet, "provision", "--yes", "--json", "--reboot").expect(0)
    assert {each["result"] for each in ran.host("turin-8x")["keys"]} == {"FIXED"}
    assert ran.host("turin-8x")["rebooted"] and node.boot_id != boot
    assert ran.host("genoa-4x")["keys"] == []
    assert json.loads(node.ssh("cat /etc/docker/daemon.json"))["log-driver"] == "json-file"
    run(fleet, "audit").expect(0)


def test_limits_return_after_a_reboot_and_a_driver_reload(fleet: Fleet) -> None:
    node = fleet.nodes["genoa-4x"]
    fleet.reboot("genoa-4x")
    assert limits(node) == {"400.00"}
    node.ssh(
        "systemctl stop nvidia-persistenced && nvidia-smi -pl 600 && systemctl start nvidia-persistenced"
    )
    node.ssh("systemctl is-active glmprov-gpu-power")
    assert limits(node) == {"400.00"}
    run(fleet, "audit").expect(0)


def test_a_host_lost_half_way_does_not_stop_the_other(fleet: Fleet) -> None:
    for name in NODES:
        fleet.nodes[name].ssh("nvidia-smi -pl 600")
    fleet.fault("genoa-4x", "unreachable", "on")
    try:
        ran: Ran = run(fleet, "provision", "--yes", "--json").expect(4)
    finally:
        fleet.fault("genoa-4x", "unreachable", "off")
    assert ran.host("genoa-4x")["error"]["kind"] == "UnreachableError"
    assert {each["result"] for each in ran.host("turin-8x")["keys"]} == {"FIXED"}
    assert limits(fleet.nodes["turin-8x"]) == {"400.00"}
    run(fleet, "provision", "--yes").expect(0)
    run(fleet, "audit").expect(0)
