"""Ours and theirs: what is only reported or ignored is never changed, what is ours beside it is mended.

The tests share one node and run in this order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from glmprov_program import Ran, keys, run
from rehearsal import Fleet, Node, running_fleet

pytestmark = pytest.mark.fleet

SWAP = "host_tuning.sysctl[vm.swappiness]"
LOGS = "container_engine.daemon[log-opts.max-size]"
NCCL = "nccl_env.env[NCCL_P2P_LEVEL]"
THEIRS = {
    "/etc/docker/daemon.json": '{"log-driver": "json-file", "log-opts": {"max-size": "50m"}}\n',
    "/etc/sysctl.d/50-theirs.conf": "vm.swappiness = 30\n",
    "/etc/default/grub.d/10-theirs.cfg": 'GRUB_CMDLINE_LINUX_DEFAULT="quiet theirs=1"\n',
    "/etc/modprobe.d/theirs.conf": "options loop max_loop=8\n",
}
"""What another team's role has put there before us."""

WORDS = {
    "container_engine_daemon": {"log-opts.max-size": "10m"},
    "container_engine_manage": {"daemon[log-opts.max-size]": "audit"},
    "host_tuning_kernel_arguments": {"iommu": None},  # the one thing that would need a reboot
    "host_tuning_manage": {"sysctl[vm.swappiness]": "audit"},
    "nccl_env_env": {"NCCL_P2P_LEVEL": "PHB"},
    "nccl_env_manage": "audit",
}
REPORTED = {f"{SWAP}.declared", f"{SWAP}.effective", LOGS, NCCL}


@pytest.fixture(scope="module")
def rig(_root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with running_fleet(tmp_path_factory.mktemp("manage"), "workstation-4x-maxq") as fleet:
        yield fleet


@pytest.fixture(scope="module")
def node(rig: Fleet) -> Node:
    (only,) = rig.nodes.values()
    return only


def declare(rig: Fleet, words: dict[str, Any]) -> None:
    """Write the inventory's words for every host."""
    folder = rig.inventory.parent / "group_vars"
    folder.mkdir(exist_ok=True)
    (folder / "all.yml").write_text(yaml.safe_dump(words))


def snapshot(node: Node, *but: str) -> dict[str, str]:
    """Return when each file of the host's configuration was written and what is in it, by path."""
    files = "find /etc /usr/local /boot -type f"
    text = node.ssh(f"{files} -printf '%T@ %p\\n'; {files} -exec sha256sum {{}} +")
    said: dict[str, str] = {}
    for what, path in (line.split(maxsplit=1) for line in text.splitlines()):
        said[path] = f"{said.get(path, '')} {what}"
    return {path: words for path, words in said.items() if not any(word in path for word in but)}


def reported(ran: Ran, node: Node) -> set[str]:
    """Return the keys that are told, all of them drift that is only reported."""
    found = ran.host(node.name)["differences"]
    assert {(each["verdict"], each["manage"]) for each in found} <= {("DRIFT", "audit")}, found
    assert all(each["reason"].startswith("manage: audit") for each in found)
    return {each["key"] for each in found}


def test_theirs_stays_when_a_host_is_provisioned(rig: Fleet, node: Node) -> None:
    for path, text in THEIRS.items():
        node.ssh(f"mkdir -p $(dirname {path}); cat >{path} <<'END'\n{text}END")
    node.ssh("sysctl -q -p /etc/sysctl.d/50-theirs.conf; update-grub")
    declare(rig, WORDS)
    before = snapshot(node)
    run(rig, "provision", "--yes").expect(0)
    after = snapshot(node)
    kept = [path for path in THEIRS if path != "/etc/docker/daemon.json"]
    assert {path: after[path] for path in kept} == {path: before[path] for path in kept}
    daemon = json.loads(node.ssh("cat /etc/docker/daemon.json"))
    assert daemon["log-opts"] == {"max-size": "50m"} and "nvidia" in daemon["runtimes"]
    assert node.ssh("cat /proc/sys/vm/swappiness") == "30"
    assert "swappiness" not in node.ssh("cat /etc/sysctl.d/90-glmprov.conf", check=False)
    assert "/etc/glmprov/nccl.env" not in after


def test_what_is_only_reported_is_drift_to_an_audit_and_no_work(rig: Fleet, node: Node) -> None:
    assert reported(run(rig, "audit", "--json").expect(3), node) == REPORTED
    assert "reported only" in run(rig, "plan", "--exit-code").expect(0).out
    before = snapshot(node)
    for _ in range(2):
        ran = run(rig, "provision", "--yes", "--json").expect(0).host(node.name)
        assert (ran["keys"], ran["applied"]) == ([], False)
    assert snapshot(node) == before


def test_ours_is_mended_beside_what_somebody_else_changes(rig: Fleet, node: Node) -> None:
    node.ssh("sysctl -q vm.swappiness=45; echo NCCL_DEBUG=INFO >/etc/glmprov/nccl.env")
    node.ssh("sed -i s/50m/99m/ /etc/docker/daemon.json; echo '# by hand' >>/etc/modprobe.d/theirs.conf")
    before = snapshot(node, "glmprov", "daemon.json")
    node.ssh("echo powersave | tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor")
    node.ssh("sed -i /memlock/d /etc/security/limits.d/90-glmprov.conf")
    node.ssh("sed -i 's/nvidia-container-runtime/gone/' /etc/docker/daemon.json")
    ran = run(rig, "provision", "--yes", "--json").expect(0).host(node.name)
    assert {each["result"] for each in ran["keys"]} == {"FIXED"}
    assert {each["key"] for each in ran["keys"]} == {
        "host_tuning.cpu_governor.effective",
        "host_tuning.limits[memlock]",
        "container_engine.daemon[runtimes.nvidia.path]",
    }
    assert node.ssh("cat /proc/sys/vm/swappiness /etc/glmprov/nccl.env") == "45\nNCCL_DEBUG=INFO"
    assert json.loads(node.ssh("cat /etc/docker/daemon.json"))["log-opts"] == {"max-size": "99m"}
    assert snapshot(node, "glmprov", "daemon.json") == before
    found = reported(run(rig, "audit", "--json").expect(3), node)
    assert found == REPORTED | {"nccl_env.env[NCCL_DEBUG]"}


def test_what_is_ignored_is_not_even_told(rig: Fleet, node: Node) -> None:
    ignored = {
        "container_engine_manage": {"daemon": "ignore"},
        "host_tuning_manage": {"sysctl": "ignore"},
        "nccl_env_manage": "ignore",
    }
    declare(rig, WORDS | ignored)
    run(rig, "audit").expect(0)


def test_what_is_ours_again_is_pending_and_then_enforced(rig: Fleet, node: Node) -> None:
    ours = {name: value for name, value in WORDS.items() if not name.endswith("_manage")}
    options = ["native.umask=normal", "native.cgroupdriver=cgroupfs"]
    more = {"log-opts.max-size": "10m", "live-restore": True, "exec-opts": options}
    declare(rig, ours | {"container_engine_daemon": more})
    run(rig, "provision", "--yes").expect(0)
    run(rig, "audit").expect(0)
    daemon = json.loads(node.ssh("cat /etc/docker/daemon.json"))
    assert (daemon["log-opts"], daemon["live-restore"]) == ({"max-size": "10m"}, True)
    assert node.ssh("cat /proc/sys/vm/swappiness") == "0"
    assert "NCCL_DEBUG" not in node.ssh("cat /etc/glmprov/nccl.env")


def test_keys_of_daemon_json_that_nobody_asks_for_are_as_they_were_before_us(
    rig: Fleet, node: Node, tmp_path: Path
) -> None:
    node.ssh('sed -i \'s/"native.umask=normal"/&, "theirs=1"/\' /etc/docker/daemon.json')
    words = {"host_tuning_kernel_arguments": {"iommu": None}, "container_engine_daemon": {}}
    held = {"container_engine_manage": {"daemon[live-restore]": "audit"}}
    declare(rig, words | held)
    dropped = {
        LOGS: "99m",
        "container_engine.daemon[exec-opts]": ["native.cgroupdriver=cgroupfs", "theirs=1"],
    }
    shown = run(rig, "plan", "--json", "--export", str(tmp_path / "exported")).expect(0).host(node.name)
    changes = {each["key"]: each for each in shown["differences"] if each["manage"] == "enforce"}
    assert {key: set(map(str, each["expected"])) for key, each in changes.items()} == {
        key: set(map(str, back)) for key, back in dropped.items()
    }
    assert {each["disruption"] for each in changes.values()} == {"docker"}
    run(rig, "provision", "--yes").expect(0)
    daemon = json.loads(node.ssh("cat /etc/docker/daemon.json"))
    assert daemon["log-opts"] == {"max-size": "99m"} and daemon["live-restore"] is True
    assert set(daemon["exec-opts"]) == {"native.cgroupdriver=cgroupfs", "theirs=1"}
    declare(rig, words)
    assert keys(run(rig, "audit", "--json").expect(3).host(node.name), "PENDING") == {
        "container_engine.daemon[live-restore]"
    }
    run(rig, "provision", "--yes").expect(0)
    run(rig, "audit").expect(0)
    assert "live-restore" not in node.ssh("cat /etc/docker/daemon.json /var/lib/glmprov/before.json")


def test_sets_are_explained_and_can_be_named(rig: Fleet, node: Node) -> None:
    (made,) = run(rig, "facts", "--sets", "--json").expect(0).host(node.name)["sets"]
    assert (made["name"], made["size"], made["node"]) == (None, 4, 0)
    cards = [card["uuid"] for card in made["cards"]]
    declare(rig, {"glmprov_sets": {"first": cards[2:]}})
    text = run(rig, "facts", "--sets").expect(0).out
    assert "set first of 2" in text and "socket 0 holds 2 cards, beside 2 in named sets" in text
    declare(rig, {"glmprov_sets": {"first": [made["cards"][0]["bus_id"], "GPU-" + "0" * 36]}})
    wrong = run(rig, "facts", "--sets", "--json").expect(2).host(node.name)
    assert f"write {cards[0]}" in wrong["error"]["message"]
    assert "no card GPU-000000000000" in wrong["error"]["message"]


def test_a_word_that_is_misspelt_stops_before_any_host(rig: Fleet) -> None:
    declare(rig, {"host_tuning_manage": {"sysctrl": "audit"}})
    assert "did you mean sysctl?" in run(rig, "audit").expect(2).err
