"""The rehearsal fleet itself: what its nodes are, what it does to the machine, and what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from rehearsal import LAB, Fleet, Node, environment

from glmprov.lab.places import Place

pytestmark = pytest.mark.fleet

BringUp = Callable[..., Fleet]
ONE = "genoa-4x-workstation"


@pytest.fixture(scope="module")
def node(fleet: Fleet) -> Node:
    return fleet.nodes["genoa-4x"]


def test_plain_ssh_works_with_what_the_inventory_says(fleet: Fleet):
    reader = Path(sys.executable).with_name("ansible-inventory")
    command = [reader, "-i", fleet.inventory, "--host", "turin-8x"]
    host = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    argv = ["ssh", "-F", "none", "-i", host["ansible_ssh_private_key_file"], "-o", "BatchMode=yes"]
    argv += [*shlex.split(host["ansible_ssh_common_args"]), "-p", str(host.get("ansible_port", 22))]
    argv += [f"{host['ansible_user']}@{host['ansible_host']}", "sudo id -u; hostname"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    assert done.stdout.split() == ["0", "turin-8x"], done.stderr


def test_all_nodes_are_fully_booted(fleet: Fleet):
    assert fleet.status() == {"turin-8x": "running", "genoa-4x": "running"}
    assert {node.ssh("systemctl is-system-running") for node in fleet.nodes.values()} == {"running"}


def test_users_differ_in_what_they_may(node: Node):
    assert node.ssh("sudo -n id -u", user="ops") == "0"
    assert "password is required" in node.try_ssh("sudo -n id -u", user="opspw").stderr
    assert node.ssh("echo rehearsal | sudo -S -p '' id -u", user="opspw") == "0"
    assert node.try_ssh("sudo -n id -u", user="nosudo").returncode != 0


def test_a_service_on_a_node_answers_on_its_loopback_address(node: Node):
    body = b"x" * 300_000
    node.ssh(f"mkdir -p /srv/www && head -c {len(body)} /dev/zero | tr '\\0' x > /srv/www/file")
    node.ssh("systemd-run --quiet --unit=www python3 -m http.server 8000 --directory /srv/www")
    try:
        node.ssh("timeout 20 sh -c 'until ss -Hltn sport = 8000 | grep -q .; do sleep 0.05; done'")
        assert urllib.request.urlopen(f"http://{node.address}:8000/file", timeout=10).read() == body
    finally:
        node.ssh("systemctl stop www")
    with pytest.raises(OSError):
        urllib.request.urlopen(f"http://{node.address}:8000/file", timeout=10)


@pytest.mark.parametrize("options", [(), ("--hard",)])
def test_a_reboot_is_a_new_boot_of_the_same_disk(fleet: Fleet, node: Node, options: tuple[str, ...]):
    node.ssh("echo kept > /root/on-disk; echo lost > /run/in-memory; sync")
    node.ssh("sysctl -q -w net.ipv4.tcp_fin_timeout=17")
    before = node.boot_id
    fleet.reboot(node.name, *options)
    assert node.boot_id != before
    assert node.ssh("cat /root/on-disk; cat /run/in-memory 2>/dev/null", check=False) == "kept"
    assert node.ssh("sysctl -n net.ipv4.tcp_fin_timeout") != "17"


def test_a_node_that_was_shut_down_is_switched_on_again(fleet: Fleet, node: Node):
    node.try_ssh("systemctl poweroff")
    deadline = time.monotonic() + 60
    while fleet.status()[node.name] != "off" and time.monotonic() < deadline:
        continue
    fleet.reboot(node.name)
    assert fleet.status()[node.name] == "running"


def test_an_unreachable_node_comes_back(fleet: Fleet, node: Node):
    fleet.fault(node.name, "unreachable", "on")
    assert node.try_ssh("true").returncode == 255
    assert fleet.status() == {"turin-8x": "running", "genoa-4x": "unreachable"}
    fleet.fault(node.name, "unreachable", "off")
    assert node.ssh("echo back") == "back"


def test_a_slow_node_answers_late(fleet: Fleet, node: Node):
    fleet.fault(node.name, "slow", "700")
    try:
        with socket.create_connection((node.address, node.ssh_port), timeout=10) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert connection.recv(4) == b"SSH-"
            connection.settimeout(0.4)
            with pytest.raises(TimeoutError):
                # Only when what we sent arrives does sshd see that it isn't SSH.
                while connection.recv(1000):
                    pass
    finally:
        fleet.fault(node.name, "slow", "off")


def test_an_xid_is_in_the_kernels_journal_of_this_boot(fleet: Fleet, node: Node):
    fleet.fault(node.name, "xid", "1", "48")
    assert re.search(r"NVRM: Xid \(PCI:0000:[0-9a-f]{2}:00\): 48,", node.ssh("journalctl -k -b"))


@pytest.mark.parametrize(
    ("arguments", "choice"),
    [
        (["nowhere", "unreachable", "on"], "turin-8x"),
        (["genoa-4x", "unreachable"], "on or off"),
        (["genoa-4x", "gremlins"], "unreachable"),
        (["genoa-4x", "xid", "17", "48"], "GPU-"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(fleet: Fleet, arguments: list[str], choice: str):
    done = fleet.lab("fault", *arguments, check=False)
    assert done.returncode == 1
    assert choice in done.stderr


def test_nodes_can_not_touch_the_machines_clock_and_sysctls(node: Node):
    swappiness = Path("/proc/sys/vm/swappiness")
    here, there = swappiness.read_text(), node.ssh("sysctl -n vm.swappiness")
    assert node.try_ssh("date -s '2001-01-01'").returncode != 0
    node.try_ssh(f"sysctl -w vm.swappiness={(int(here) + 1) % 100}")
    assert swappiness.read_text() == here
    node.try_ssh(f"sysctl -w vm.swappiness={there}")


def test_packages_come_by_tls_and_signature_alone(node: Node):
    assert node.ssh("apt-get update 2>&1 | grep -E '^(W|E):' || echo clean") == "clean"
    assert "trusted=yes" not in node.ssh(
        "cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null; true"
    )


def test_up_again_leaves_nodes_alone(fleet: Fleet, node: Node):
    before = node.boot_id
    fleet.lab("up", "--yes", "--inventory-out", str(fleet.inventory))
    assert node.boot_id == before
    assert fleet.lab("up", "--yes", "turin-6x", check=False).returncode == 1
    refused = fleet.lab("up", "--yes", "--share", str(fleet.directory), check=False)
    assert refused.returncode == 1 and f"can't read {fleet.directory}" in refused.stderr
    refused = fleet.lab("up", "--yes", "--as-shipped", check=False)
    assert refused.returncode == 1 and "made to be quick" in refused.stderr


def test_two_fleets_at_once_have_their_own_addresses(fleet: Fleet, bring_up: BringUp):
    other = bring_up(ONE, ONE)
    assert set(other.nodes) == {"genoa-4x-1", "genoa-4x-2"}
    addresses = [node.address for one in (fleet, other) for node in one.nodes.values()]
    assert len(set(addresses)) == 4


def test_ssh_moves_where_this_machines_own_sshd_holds_the_port(_root: None, tmp_path: Path):
    hold = "import socket, sys; held = socket.create_server(('', 22)); print(flush=True); sys.stdin.read()"
    holding = ["unshare", "--net", sys.executable, "-c", hold]
    with subprocess.Popen(holding, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as sshd:
        assert sshd.stdin and sshd.stdout
        sshd.stdout.readline()
        inside = ["nsenter", f"--net=/proc/{sshd.pid}/ns/net"]
        subprocess.run([*inside, "ip", "link", "set", "lo", "up"], check=True)

        def lab(*arguments: str) -> str:
            command = [*inside, *LAB, *arguments]
            done = subprocess.run(
                command, env=environment(tmp_path), capture_output=True, text=True, timeout=300
            )
            return done.stdout + done.stderr

        lab("up", "--yes", "--inventory-out", str(tmp_path / "lab.ini"), ONE)
        reached, inventory = lab("ssh", "genoa-4x", "echo reached"), (tmp_path / "lab.ini").read_text()
        lab("down")
        sshd.stdin.close()
    assert reached == "reached\n"
    assert "ansible_port=2222" in inventory


def test_down_leaves_nothing(bring_up: BringUp):
    fleet = bring_up(ONE)
    assert traces(fleet)
    fleet.lab("down")
    assert traces(fleet) == []
    assert fleet.lab("status", check=False).returncode == 1
    fleet.lab("down")


@pytest.mark.parametrize(
    "roles", [["supervisor-genoa-4x"], ["packages", "forwarder"], ["node-genoa-4x/supervisor"]]
)
def test_down_leaves_nothing_after_kill_9(bring_up: BringUp, roles: list[str]):
    fleet = bring_up(ONE)
    for role in roles:
        for group in groups(fleet):
            if group.match(f"{role}/cgroup.procs"):
                for pid in group.read_text().split():
                    os.kill(int(pid), signal.SIGKILL)
    fleet.lab("down")
    assert traces(fleet) == []


def test_hosts_for_measurements_have_packages_and_disks_as_real_ones(fleet: Fleet, bring_up: BringUp):
    member = "apt-get -qq download containerd && grep -aom1 'data[.]tar[.][a-z]*' containerd_*.deb"
    disk = "findmnt -n -o OPTIONS /"
    quick, real = fleet.nodes["genoa-4x"], bring_up("--as-shipped", ONE).nodes["genoa-4x"]
    for node, archive, volatile in ((quick, "data.tar.zst", True), (real, "data.tar.xz", False)):
        assert node.ssh(f"cd $(mktemp -d) && apt-get -qq update && {member}") == archive
        assert ("volatile" in node.ssh(disk)) == volatile


def test_up_starts_over_what_was_killed(bring_up: BringUp):
    fleet = bring_up(ONE)
    before = fleet.nodes["genoa-4x"].boot_id
    for group in groups(fleet):
        if group.match("forwarder/cgroup.procs"):
            os.kill(int(group.read_text()), signal.SIGKILL)
    assert "forwarder" in fleet.lab("status").stdout
    fleet.lab("up", "--yes", "--inventory-out", str(fleet.inventory))
    assert fleet.nodes["genoa-4x"].boot_id != before


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_up_leaves_nothing(_root: None, tmp_path: Path, end: signal.Signals):
    fleet = Fleet(tmp_path / "state/glmprov/lab/lab", tmp_path / "lab.ini", environment(tmp_path), {})
    starting = subprocess.Popen(
        [*LAB, "up", "--yes"], env=fleet.environment, cwd=tmp_path, start_new_session=True
    )
    while starting.poll() is None and not list(fleet.directory.glob("nodes/*/boots")):
        time.sleep(0.01)
    os.killpg(starting.pid, end)
    assert starting.wait(60) != 0
    if end == signal.SIGKILL:
        fleet.lab("down")
    assert traces(fleet) == []


def groups(fleet: Fleet) -> list[Path]:
    """Return the files that list the processes of a fleet's control groups."""
    trees = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if " cgroup2 " in line]
    own = Place("lab", fleet.directory).group
    return list(Path(trees[0], own).glob("**/cgroup.procs"))


def traces(fleet: Fleet) -> list[str]:
    """Return what there is of a fleet: files, groups, processes, and mounts in any namespace."""
    found = [str(path) for path in (fleet.directory, fleet.inventory) if path.exists()]
    found += map(str, groups(fleet))
    for process in Path("/proc").glob("[0-9]*"):
        for about in ("cmdline", "mountinfo"):
            try:
                if str(fleet.directory).encode() in (process / about).read_bytes():
                    found.append(str(process / about))
            except OSError:
                continue
    return found
