"""Taking back: a host is again what it was, bare or with a driver and settings of its owner; and its history.

One node, in order: bare → provisioned → taken back but for the packages → set up by its owner → provisioned → taken
back → provisioned → taken back by plain Ansible → provisioned → taken back with the packages, bare again.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from glmprov_program import finish, run, start
from rehearsal import ROOT, Fleet, Node, running_fleet

pytestmark = pytest.mark.fleet

PROFILE = "genoa-4x-workstation"
SEEN: dict[str, dict[str, str]] = {}

LEFT_BY_DEBIAN = {
    "/etc/group": "docker's group stays when its package is purged, as Debian's policy has it",
    "/etc/group-": "the copy of it",
    "/etc/gshadow": "the same",
    "/etc/gshadow-": "the copy of it",
}
MADE_ANEW = {"/boot/initrd.img-6.1.0-48-amd64": "the initramfs is built again, without our options"}

LOOK = r"""
find /etc /usr/local /boot -xdev -type f -print0 | xargs -0 sha256sum | sed -E 's/^([0-9a-f]+)  (.*)/\2\t\1/'
find /etc /usr/local /boot -xdev -type l -printf '%p\t-> %l\n'
printf 'holds\t%s\n' "$(apt-mark showhold | xargs)"
printf 'automatic\t%s\n' "$(apt-mark showauto | sha256sum)"
printf 'packages\t%s\n' "$(dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\n' | sha256sum)"
printf 'units\t%s\n' "$(systemctl list-unit-files --state=enabled --no-legend | sort | sha256sum)"
printf 'kernel line\t%s\n' "$(cat /proc/cmdline)"
printf 'limits\t%s\n' "$(nvidia-smi --query-gpu=uuid,power.limit --format=csv,noheader 2>/dev/null | xargs)"
printf 'swappiness\t%s\n' "$(cat /proc/sys/vm/swappiness)"
printf 'governor\t%s\n' "$(cat /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor | sort -u | xargs)"
"""


@pytest.fixture(scope="module")
def fleet(_root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with running_fleet(tmp_path_factory.mktemp("fleet"), PROFILE) as up:
        yield up


@pytest.fixture
def node(fleet: Fleet) -> Node:
    return fleet.nodes["genoa-4x"]


def look(node: Node) -> dict[str, str]:
    """Return what a person would compare: every file, and what is in force."""
    lines = (line.partition("\t") for line in node.ssh(LOOK).splitlines())
    return {what: value for what, _, value in lines}


def differing(before: dict[str, str], after: dict[str, str]) -> dict[str, tuple[str | None, str | None]]:
    exceptions = {*LEFT_BY_DEBIAN, *MADE_ANEW}
    return {
        what: (before.get(what), after.get(what))
        for what in {*before, *after} - exceptions
        if before.get(what) != after.get(what)
    }


def acts(fleet: Fleet) -> list[tuple[str, str]]:
    """Return command and end of every change, by the host's history, as a user without root reads it."""
    host = run(fleet, "history", "--json", "-B").expect(0).host("genoa-4x")
    return [(act["command"], act["end"]) for act in host["acts"]]


def test_a_host_that_was_never_provisioned_has_nothing_to_take_back(fleet: Fleet, node: Node) -> None:
    SEEN["bare"] = look(node)
    ran = run(fleet, "revert", "--yes", "--packages").expect(0)
    assert "nothing to revert: there is no receipt" in ran.out
    assert acts(fleet) == []
    assert node.ssh("ls -d /var/lib/glmprov || true") == ""


def test_the_history_tells_a_provisioning_from_both_its_ends(fleet: Fleet, node: Node) -> None:
    run(fleet, "provision", "--yes", "--reboot", "--reason", "first cards").expect(0)
    assert acts(fleet) == [("provision", "done"), ("reboot", "done")]
    act = run(fleet, "history", "--json", "--since", "1h").expect(0).host("genoa-4x")["acts"][0]
    assert act["reason"] == "first cards" and act["rebooted"] and act["owner"].startswith("root@")
    changes = {change["key"]: change for change in act["changes"]}
    swappiness = changes["host_tuning.sysctl[vm.swappiness].effective"]
    assert (swappiness["before"], swappiness["after"], swappiness["result"]) == ("60", "0", "FIXED")
    receipt = json.loads(node.ssh("cat /var/lib/glmprov/receipt.json"))
    assert receipt["before"]["host_tuning.sysctl[vm.swappiness].effective"] == "60"
    assert receipt["installed"]["docker.io"] is None
    run(fleet, "provision", "--yes").expect(0)
    assert len(acts(fleet)) == 2, "a run that found nothing to do leaves no entry"


def test_what_somebody_edited_stays_and_packages_stay(fleet: Fleet, node: Node) -> None:
    limits = "/etc/security/limits.d/90-glmprov.conf"
    node.ssh(f"echo '# mine' >> {limits}")
    shown = run(fleet, "revert").expect(2)
    assert f"{limits} stays: edited since" in shown.err and "packages that provisioning brought" in shown.err
    assert node.ssh("test -e /etc/glmprov/nccl.env && echo there") == "there"
    ran = run(fleet, "revert", "--yes", "--json").expect(0).host("genoa-4x")
    assert {key["result"] for key in ran["keys"]} <= {"FIXED", "PENDING REBOOT"}
    assert "# mine" in node.ssh(f"cat {limits} && rm {limits}")
    assert (
        node.ssh("apt-mark showhold; ls /etc/systemd/system/glmprov* /etc/glmprov 2>/dev/null || true") == ""
    )
    assert node.ssh("systemctl is-active docker nvidia-persistenced").split() == ["active", "active"]
    assert set(node.ssh("nvidia-smi --query-gpu=power.limit --format=csv,noheader").split()) == {
        "600.00",
        "W",
    }
    assert node.ssh("cat /var/lib/glmprov/receipt.json 2>/dev/null || echo gone") == "gone"
    assert acts(fleet)[-1] == ("revert", "done")


def set_up_by_its_owner(node: Node) -> None:
    """A driver and Docker are there; the owner has limits, a daemon.json and a kernel argument of his own."""
    node.ssh("nvidia-smi -pl 500 && echo 10 > /proc/sys/vm/swappiness")
    node.ssh(
        r"""printf '{"log-driver": "json-file",\n   "exec-opts": ["native.umask=normal"]}' > /etc/docker/daemon.json"""
    )
    node.ssh("systemctl restart docker")
    node.ssh("sed -i 's/quiet/quiet iommu=soft mitigations=auto/' /etc/default/grub && update-grub")


def undo_what_the_owner_did(node: Node) -> None:
    node.ssh("rm /etc/docker/daemon.json && systemctl restart docker")
    node.ssh("sed -i 's/ iommu=soft mitigations=auto//' /etc/default/grub && update-grub")
    node.ssh("echo 60 > /proc/sys/vm/swappiness")


def test_a_run_whose_controller_was_killed_never_finished(fleet: Fleet, node: Node, tmp_path: Path) -> None:
    set_up_by_its_owner(node)
    SEEN["owned"] = look(node)
    secret = tmp_path / "secret.ini"
    text = fleet.inventory.read_text().replace("ansible_user=ops", "ansible_user=opspw")
    secret.write_text(
        text + "ansible_become_password=rehearsal\nhost_tuning_kernel_arguments={'iommu': 'pt'}\n"
    )
    running = start(fleet, "provision", "--yes", inventory=secret)
    journal = "/var/lib/glmprov/history.jsonl"
    node.ssh(f"timeout 120 sh -c 'until tail -n 1 {journal} | grep -q begun; do :; done'")
    assert acts(fleet)[-1] == ("provision", "under way")
    running.send_signal(signal.SIGKILL)
    finish(running)
    run(fleet, "lock", "release").expect(0)
    assert acts(fleet)[-2:] == [("provision", "never finished"), ("lock release", "done")]
    run(fleet, "provision", "--yes", inventory=secret).expect(0)
    assert acts(fleet)[-1] == ("provision", "done")
    written = node.ssh("cd /var/lib/glmprov && cat *.json *.jsonl")
    assert "rehearsal" not in written and "opspw" not in written


def test_what_its_owner_had_set_is_back_exactly(fleet: Fleet, node: Node) -> None:
    now = look(node)
    assert now["limits"] != SEEN["owned"]["limits"] and now["holds"]
    ran = run(fleet, "revert", "--yes", "--json").expect(0).host("genoa-4x")
    assert {key["result"] for key in ran["keys"]} == {"FIXED"}
    assert differing(SEEN["owned"], look(node)) == {}


def test_a_receipt_that_was_edited_by_hand_is_refused(fleet: Fleet, node: Node) -> None:
    undo_what_the_owner_did(node)
    SEEN["with packages"] = look(node)
    run(fleet, "provision", "--yes").expect(0)
    receipt = "/var/lib/glmprov/receipt.json"
    node.ssh(f'cp {receipt} /root/receipt && sed -i \'s/: "60"/: "61"/\' {receipt}')
    error = run(fleet, "revert", "--yes", "--json").expect(1).host("genoa-4x")["error"]
    assert "edited by hand" in error["message"] and "backup" in error["next_step"]
    node.ssh(f"mv /root/receipt {receipt}")


def test_plain_ansible_takes_back_what_the_host_recorded(fleet: Fleet, node: Node) -> None:
    bin_directory = Path(sys.executable).parent
    command = [bin_directory / "ansible-playbook", "-i", fleet.inventory, "playbooks/revert.yml"]
    path = f"{bin_directory}:{os.environ['PATH']}"
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert differing(SEEN["with packages"], look(node)) == {}
    assert node.ssh("ls /var/lib/glmprov/receipt.json 2>/dev/null || echo gone") == "gone"


def test_with_its_packages_taken_back_the_host_is_bare_again(fleet: Fleet, node: Node) -> None:
    run(fleet, "provision", "--yes").expect(0)
    ran = run(fleet, "revert", "--yes", "--packages", "--reboot", "--json").expect(0).host("genoa-4x")
    assert {key["result"] for key in ran["keys"]} == {"FIXED"} and ran["rebooted"]
    assert differing(SEEN["bare"], look(node)) == {}
    assert node.ssh("ls /var/lib/glmprov") == "history.jsonl"
    assert "nothing to revert" in run(fleet, "revert", "--yes").expect(0).out
