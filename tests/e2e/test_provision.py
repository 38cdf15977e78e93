"""The whole loop on two hosts with different hardware: bare, provisioned, clean, drifted, repaired, rebooted, clean.

The tests of this module share one fleet and go in order: each starts where the one before left the hosts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from deployed import as_it_is, deploy
from glmprov_program import finish, keys, run, start
from rehearsal import PROFILES, Fleet, Node, running_fleet

from glmprov import inventory
from glmprov.journal.lock import Lock
from glmprov.remote import ConnectOptions, connect

pytestmark = pytest.mark.fleet

NODES = ("turin-8x", "genoa-4x")
CARDS = {"turin-8x": 8, "genoa-4x": 4}
CARDS_BEFORE: dict[str, list[str]] = {}


@pytest.fixture(scope="module")
def fleet(_root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Two bare hosts, whatever other tests did to theirs."""
    with running_fleet(tmp_path_factory.mktemp("bare"), *PROFILES) as up:
        yield up


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


def test_a_deploy_on_a_bare_host_is_refused_with_the_command(fleet: Fleet) -> None:
    node = fleet.nodes["genoa-4x"]
    before = as_it_is(node)
    ran = deploy(fleet, node.name, "recipe-3").expect(1)
    assert "the host isn't as provisioned" in ran.out
    assert f"glmprov provision -i {fleet.inventory} -l {node.name}" in " ".join(ran.out.split())
    assert as_it_is(node) == before


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
        CARDS_BEFORE[name] = uuids(node)


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


def test_an_upgrade_behind_our_back_is_named_while_the_cards_cannot_be_asked(fleet: Fleet) -> None:
    node = fleet.nodes["turin-8x"]
    node.ssh(
        "held=$(apt-mark showhold | grep -v linux-) && apt-mark unhold $held && apt-get update -qq && "
        "export DEBIAN_FRONTEND=noninteractive && apt-get purge -y -qq nvidia-driver-pinning-580 && "
        "apt-get install -y -qq --only-upgrade $held"
    )
    host = run(fleet, "audit", "--json").expect(4).host("turin-8x")
    assert "gpu_driver.version.declared" in keys(host)
    unknown = {each["key"]: each["reason"] for each in host["differences"] if each["verdict"] == "UNKNOWN"}
    assert f"gpu_power.limit_watts[{CARDS_BEFORE['turin-8x'][0]}].effective" in unknown
    assert all("mismatch" in reason for reason in unknown.values())


def drift_by_hand(node: Node) -> None:
    """What the field does to a host: a person with root and half an hour."""
    node.ssh(f"nvidia-smi -i {uuids(node)[0]} -pl 600")
    node.ssh("sed -i 's/^NCCL_P2P_LEVEL=.*/NCCL_P2P_LEVEL=LOC/' /etc/glmprov/nccl.env")
    node.ssh("rm -f /etc/default/grub.d/90-glmprov.cfg && update-grub")
    node.ssh('echo \'{"log-driver": "json-file"}\' > /etc/docker/daemon.json')


def test_each_drift_is_named_exactly(fleet: Fleet) -> None:
    node = fleet.nodes["turin-8x"]
    fleet.reboot("turin-8x")
    drift_by_hand(node)
    ran = run(fleet, "audit", "--json").expect(3)
    found = keys(ran.host("turin-8x"))
    held = {key for key in found if key.startswith("gpu_driver.held[")}
    assert len(held) == 7
    assert found - held == {
        f"gpu_power.limit_watts[{uuids(node)[0]}].effective",
        "nccl_env.env[NCCL_P2P_LEVEL]",
        "host_tuning.kernel_arguments[iommu].declared",
        "gpu_driver.branch",
        "gpu_driver.pinned",
        "gpu_driver.version.declared",
        "gpu_driver.version.effective",
        "container_engine.daemon[runtimes.nvidia.path]",
        "container_engine.daemon[exec-opts]",
        "container_engine.daemon[registry-mirrors]",
    }
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
    node.ssh("timeout 30 sh -c 'until systemctl is-active --quiet glmprov-gpu-power; do :; done'")
    assert limits(node) == {"400.00"}
    run(fleet, "audit").expect(0)


def test_a_run_is_refused_while_somebody_else_holds_the_lock(fleet: Fleet) -> None:
    fleet.nodes["genoa-4x"].ssh("nvidia-smi -pl 600")
    (host,) = inventory.load([fleet.inventory], limit="genoa-4x")
    with (
        connect(host, ConnectOptions(become=True)) as channel,
        Lock(channel, host.name, "new limits"),
    ):
        status = run(fleet, "lock", "status", "--json").expect(0)
        assert status.host("turin-8x")["lock"] is None
        assert status.host("genoa-4x")["lock"]["reason"] == "new limits"
        error = run(fleet, "provision", "--yes", "--json").expect(6).host("genoa-4x")["error"]
        assert "new limits" in error["message"]
        assert "glmprov lock release genoa-4x" in error["next_step"]
        assert limits(fleet.nodes["genoa-4x"]) == {"600.00"}
    run(fleet, "provision", "--yes").expect(0)
    assert run(fleet, "lock", "status", "--json").host("genoa-4x")["lock"] is None
    run(fleet, "audit").expect(0)


def test_a_host_lost_half_way_does_not_stop_the_other(fleet: Fleet) -> None:
    for name in NODES:
        fleet.nodes[name].ssh("nvidia-smi -pl 600 && rm /etc/glmprov/nccl.env")
    running = start(fleet, "provision", "--yes", "--json")
    try:
        first_change = next(line for line in running.stderr if "genoa-4x  changed" in line)
        fleet.fault("genoa-4x", "unreachable", "on")
        ran = finish(running).expect(4)
    finally:
        fleet.fault("genoa-4x", "unreachable", "off")
    assert first_change
    assert ran.host("genoa-4x")["error"]["kind"] == "UnreachableError"
    assert {each["result"] for each in ran.host("turin-8x")["keys"]} == {"FIXED"}
    assert limits(fleet.nodes["turin-8x"]) == {"400.00"}
    run(fleet, "lock", "release").expect(0)
    run(fleet, "provision", "--yes").expect(0)
    run(fleet, "audit").expect(0)
