"""The roles on a rehearsal node, from plain ansible-playbook: bare → converged → nothing to do → broken → repaired.

The tests share one node and run in this order.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.rehearsal import Fleet, Node, running_fleet

pytestmark = [
    pytest.mark.fleet,
    pytest.mark.skipif(os.geteuid() != 0, reason="the rehearsal fleet needs root"),
]

ROOT = Path(__file__).parents[2]
OPTIONS = {
    "gpu_driver_version": "580.95.05",
    # As any variable of Ansible's, it takes the place of the role's default and of the fleet's registry mirror.
    "container_engine_daemon": {"runtimes.nvidia.path": "nvidia-container-runtime"},
    "host_tuning_kernel_arguments": {"iommu": "pt", "pcie_port_pm": "off"},
    "host_tuning_module_options": {"nvidia_uvm.uvm_disable_hmm": 1},
    "host_tuning_sysctl": {"vm.swappiness": 0},
    "host_tuning_cpu_governor": "performance",
    "host_tuning_limits": {"memlock": "unlimited"},
    "nccl_env_profile": "latency",
    "nccl_env_env": {"NCCL_P2P_LEVEL": "SYS"},
    "nccl_env_reasons": {"NCCL_P2P_LEVEL": "the default keeps these cards apart"},
}
ENGINE = "container_engine : Merge the daemon's settings and run it"
DRIVER = "gpu_driver : Install the driver and hold it"
LIMITS = "nvidia-smi --query-gpu=uuid,power.limit --format=csv,noheader,nounits"

# systemd starts our unit with the daemon but waits for the daemon alone.
WAIT_FOR_400 = f'timeout 30 sh -c "while {LIMITS} | grep -v 400.00; do :; done"'


@dataclass(frozen=True)
class Outcome:
    """What ansible-playbook did on the node: the tasks that changed something, and why it failed."""

    changed: tuple[str, ...]
    failure: str = ""


@dataclass
class Rig:
    """A node and the options that its roles get."""

    fleet: Fleet
    node: Node
    options: dict[str, Any]

    def play(self, *arguments: str, **options: Any) -> Outcome:
        """Run the playbook with plain ansible-playbook."""
        variables = self.fleet.directory / "options.json"
        variables.write_text(json.dumps({**self.options, **options}))
        done = subprocess.run(
            [
                str(Path(sys.executable).parent / "ansible-playbook"),
                *("-i", str(self.fleet.inventory), "-e", f"@{variables}"),
                *(*arguments, str(ROOT / "playbooks/provision.yml")),
            ],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return understood(done.stdout)


def understood(output: str) -> Outcome:
    """Given ansible-playbook's own output for one host, return what happened."""
    task, changed, failure = "", [], ""
    for line in output.splitlines():
        if line.startswith("TASK ["):
            task = line[len("TASK [") : line.index("]")]
        elif line.startswith("changed: "):
            changed.append(task)
        elif line.startswith("fatal: "):
            failure = json.loads(line.partition("=> ")[2])["msg"]
    assert "PLAY RECAP" in output, output
    return Outcome(tuple(changed), failure)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with running_fleet(tmp_path_factory.mktemp("roles"), "genoa-4x-workstation") as fleet:
        (node,) = fleet.nodes.values()
        yield Rig(fleet, node, dict(OPTIONS))


def test_a_wrong_key_is_not_trusted(rig: Rig) -> None:
    wrong = "EB693B3035CD5710E231E123A4B469963BF863CC"
    outcome = rig.play("--tags", "gpu_driver", gpu_driver_repository_key_fingerprint=wrong)
    assert f"expected is {wrong}" in outcome.failure
    assert rig.node.ssh("find /etc/apt/keyrings /etc/apt/sources.list.d -name 'glmprov-*'") == ""


def test_check_mode_changes_nothing_and_tells_what_would_change(rig: Rig) -> None:
    state = "dpkg -l; find /etc /usr/local /boot -newer /proc/1/cmdline -type f | sort"
    before = rig.node.ssh(state)
    outcome = rig.play("--check", "--diff")
    assert outcome.failure == ""
    assert "gpu_driver : Install the driver and hold it" in outcome.changed
    assert "nccl_env : Write NCCL's environment" in outcome.changed
    assert rig.node.ssh(state) == before


def test_a_bare_node_converges(rig: Rig) -> None:
    assert rig.play().failure == ""
    node = rig.node
    cards = node.ssh("nvidia-smi --query-gpu=uuid --format=csv,noheader").split()
    assert len(cards) == 4
    rig.options["gpu_power_limit_watts"] = dict.fromkeys(cards, 400)
    outcome = rig.play("--tags", "gpu_power")
    assert outcome.changed == ("gpu_power : Set the limits at every boot",)
    assert {line.split(", ")[1] for line in node.ssh(LIMITS).splitlines()} == {"400.00"}
    assert node.ssh("dpkg-query -W -f '${Version}' nvidia-driver-cuda") == "580.95.05-1"
    held = set(node.ssh("apt-mark showhold").split())
    assert {"nvidia-driver-cuda", "nvidia-kernel-open-dkms", "libcuda1", "nvidia-persistenced"} <= held
    assert not any("container" in name or "pinning" in name for name in held)
    assert "nvidia" in node.ssh("docker info --format '{{json .Runtimes}}'")
    assert node.ssh("systemctl is-system-running") == "running"


def test_a_second_run_changes_nothing(rig: Rig) -> None:
    assert rig.play() == Outcome(())


SETTINGS = {
    f"nvidia-smi -i $({LIMITS.replace(',power.limit', '')} | head -1) -pl 600": "gpu_power : Set the limits now",
    "echo NCCL_P2P_DISABLE=1 >>/etc/glmprov/nccl.env": "nccl_env : Write NCCL's environment",
    "rm /etc/default/grub.d/90-glmprov.cfg; update-grub": "host_tuning : Set the kernel's arguments",
    "echo '{\"debug\": true}' >/etc/docker/daemon.json; systemctl restart docker": ENGINE,
    "sysctl -w vm.swappiness=60": "host_tuning : Tune the running system",
    "echo powersave >/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "host_tuning : Tune the running system",
    "apt-mark unhold libcuda1": "gpu_driver : Install the driver and hold it",
}
"""What people do, and the task that mends it."""

PACKAGES = {
    "apt-get install -y --allow-change-held-packages nvidia-kernel-dkms=580.95.05-1 nvidia-kernel-open-dkms-": DRIVER,
    "V=595.58.03-1; apt-get install -y --allow-change-held-packages nvidia-driver-cuda=$V nvidia-modprobe=$V"
    " nvidia-kernel-support=$V nvidia-persistenced=$V libnvidia-ml1=$V libcuda1=$V nvidia-kernel-dkms=$V": DRIVER,
    "sed -i s/iommu=pt//g /boot/grub/grub.cfg": "host_tuning : Set the kernel's arguments",
    "mv /etc/docker/daemon.json /tmp/; systemctl restart docker; mv /tmp/daemon.json /etc/docker/": ENGINE,
    "systemctl disable docker.service": ENGINE,
}
"""The driver's flavor and its version changed behind our back, and what is right in a file but not in force."""


def test_what_is_broken_is_repaired_and_nothing_else_changes(rig: Rig) -> None:
    rig.node.ssh("set -e; " + "; ".join(SETTINGS))
    would = rig.play("--check")
    assert (would.failure, set(would.changed)) == ("", set(SETTINGS.values()))
    did = rig.play()
    assert (did.failure, set(did.changed)) == ("", set(SETTINGS.values()))
    assert rig.play() == Outcome(())


def test_a_driver_changed_behind_our_back_is_put_back(rig: Rig) -> None:
    rig.node.ssh("set -e; " + "; ".join(PACKAGES))
    assert "mismatch" in rig.node.ssh("nvidia-smi", check=False)
    would = rig.play("--check")
    did = rig.play()
    assert (would.failure, did.failure) == ("", "")
    # The daemon and the limits are down with the mismatch, and back with the packages.
    assert set(PACKAGES.values()) <= set(did.changed) <= set(would.changed)
    assert (
        rig.node.ssh("dpkg-query -W -f '${db:Status-Status}' nvidia-kernel-dkms", check=False) != "installed"
    )
    assert rig.play() == Outcome(())
    assert {line.split(", ")[1] for line in rig.node.ssh(LIMITS).splitlines()} == {"400.00"}


def test_an_initramfs_that_is_older_than_our_files_is_rebuilt_once(rig: Rig) -> None:
    rig.node.ssh("touch -d 2020-01-01 /boot/initrd.img-*")
    outcome = rig.play("--tags", "host_tuning,gpu_driver")
    assert outcome == Outcome(("host_tuning : Set module options, sysctl values and limits",))


def test_broken_json_is_reported_and_left_as_it_is(rig: Rig) -> None:
    rig.node.ssh("cp /etc/docker/daemon.json /tmp/; echo '{ broken' >/etc/docker/daemon.json")
    outcome = rig.play("--tags", "container_engine")
    assert "/etc/docker/daemon.json: line 1, column 3" in outcome.failure
    assert rig.node.ssh("cat /etc/docker/daemon.json") == "{ broken"
    rig.node.ssh("mv /tmp/daemon.json /etc/docker/daemon.json")


def test_limits_return_when_the_persistence_daemon_is_restarted(rig: Rig) -> None:
    rig.node.ssh("nvidia-smi -pl 600 && systemctl restart nvidia-persistenced.service")
    rig.node.ssh(WAIT_FOR_400)
    rig.node.ssh("systemctl stop nvidia-persistenced.service && nvidia-smi -pl 600")
    rig.node.ssh("systemctl start nvidia-persistenced.service")
    rig.node.ssh(WAIT_FOR_400)


def test_a_reboot_brings_all_of_it_back(rig: Rig) -> None:
    rig.fleet.reboot(rig.node.name)
    assert rig.node.ssh("systemctl is-system-running --wait") == "running"
    assert {"iommu=pt", "pcie_port_pm=off"} <= set(rig.node.ssh("cat /proc/cmdline").split())
    assert {line.split(", ")[1] for line in rig.node.ssh(LIMITS).splitlines()} == {"400.00"}
    assert rig.node.ssh("cat /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") == "performance"
    assert rig.node.ssh("readlink /dev/char/195:255") == "../nvidiactl"
    assert rig.play() == Outcome(())
