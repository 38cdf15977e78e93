"""What a node's simulated hardware does: packages, driver, limits, faults, containers, reboots.

The tests share one node and go in order: it starts bare, and each goes on from where the one before left it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from rehearsal import Fleet, Node, running_fleet

pytestmark = pytest.mark.fleet

INSTALL = "DEBIAN_FRONTEND=noninteractive apt-get -qq install -y"
LIMITS = "nvidia-smi --query-gpu=power.limit --format=csv,noheader,nounits | sort -u"
SOURCE = """\
Types: deb
URIs: https://packages.glmprov.lab/nvidia/ https://packages.glmprov.lab/toolkit/
Suites: /
Signed-By: /usr/share/keyrings/glmprov-lab.asc
"""
# A node's own userland as an image, without the driver's libraries: they must come from the container runtime.
IMAGE = """\
tar c -C / --exclude='*nvidia*' --exclude='*libcuda*' bin lib lib64 sbin usr/bin usr/sbin usr/lib64 \
usr/lib/x86_64-linux-gnu usr/lib/python3.11 usr/lib/python3 etc/ld.so.conf etc/ld.so.conf.d \
| docker import - rehearsal:1
"""


@pytest.fixture(scope="module")
def alone(_root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with running_fleet(tmp_path_factory.mktemp("simulation"), "turin-8x-server") as up:
        yield up


@pytest.fixture
def node(alone: Fleet) -> Node:
    return alone.nodes["turin-8x"]


def test_a_bare_node_shows_its_hardware_and_no_driver(node: Node) -> None:
    assert node.ssh("uname -r") == "6.1.0-48-amd64"
    assert node.ssh("cat /proc/cmdline").startswith("BOOT_IMAGE=/boot/vmlinuz-6.1.0-48-amd64 root=UUID=")
    assert node.ssh("lspci -d 10de: | wc -l") == "8"
    assert "64-127,192-238,240-255" in node.ssh("lscpu")
    path = node.ssh("readlink -f /sys/bus/pci/devices/0000:f5:00.0")
    assert path == "/sys/devices/pci0000:f0/0000:f0:01.1/0000:f1:00.0/0000:f2:02.0/0000:f5:00.0"
    assert node.ssh("command -v nvidia-smi; ls /dev/nvidia* /proc/driver/nvidia/version", check=False) == ""
    assert node.ssh("ls -d /sys/class/net/eth0/address /sys/class/dmi/id/product_name")


def test_access_control_is_turned_off_with_setpci_until_the_next_boot(alone: Fleet, node: Node) -> None:
    assert node.ssh("setpci -s 02:03.0 ECAP_ACS+6.w") == "001d"
    assert node.ssh("setpci -s 02:03.0 ECAP_ACS+6.w=0; setpci -s 02:03.0 ECAP_ACS+6.w") == "0000"
    governor = "/sys/devices/system/cpu/cpu200/cpufreq/scaling_governor"
    node.ssh(f"echo performance > {governor}; sysctl -q -w vm.swappiness=0")
    alone.reboot(node.name)
    assert node.ssh(f"setpci -s 02:03.0 ECAP_ACS+6.w; cat {governor}; sysctl -n vm.swappiness").split() == [
        "001d",
        "schedutil",
        "60",
    ]


def test_a_driver_without_kernel_headers_does_not_load(node: Node) -> None:
    node.ssh(f"cat > /etc/apt/sources.list.d/nvidia.sources <<'X'\n{SOURCE}X\napt-get -qq update")
    node.ssh(f"{INSTALL} nvidia-driver-pinning-580")
    pinned = "libnvidia-ml1 libcuda1 nvidia-modprobe nvidia-persistenced nvidia-kernel-support"
    packages = " ".join(f"{name}=580.95.05-1" for name in f"nvidia-driver-cuda {pinned}".split())
    node.ssh(f"{INSTALL} {packages} nvidia-kernel-open-dkms=580.95.05-1")
    done = node.try_ssh("nvidia-smi")
    assert done.returncode == 9
    assert "couldn't communicate with the NVIDIA driver" in done.stdout


def test_with_headers_it_does(node: Node) -> None:
    node.ssh(f"{INSTALL} linux-headers-$(uname -r) && systemctl restart nvidia-persistenced")
    assert "580.95.05, 6.1.0-48-amd64" in node.ssh("dkms status").replace("/", ", ")
    assert "Open Kernel Module" in node.ssh("cat /proc/driver/nvidia/version")
    assert node.ssh("nvidia-smi -L").count("Server Edition") == 8
    assert node.ssh("basename $(readlink /sys/bus/pci/devices/0000:75:00.0/driver)") == "nvidia"
    assert node.ssh("cat /proc/driver/nvidia/gpus/0000:75:00.0/information | grep Minor").split()[-1] == "0"


def test_limits_are_lost_with_the_persistence_daemon_and_at_a_reboot(alone: Fleet, node: Node) -> None:
    node.ssh("nvidia-smi -pl 400")
    assert node.ssh(LIMITS) == "400.00"
    assert node.try_ssh("nvidia-smi -pl 200").returncode != 0
    node.ssh("systemctl restart nvidia-persistenced")
    assert node.ssh(LIMITS) == "600.00"
    node.ssh("nvidia-smi -pl 400")
    alone.reboot(node.name)
    assert node.ssh(LIMITS) == "600.00"


def test_a_person_without_rights_sets_no_limit(node: Node) -> None:
    done = node.try_ssh("nvidia-smi -pl 400", user="ops")
    assert (done.returncode, "Insufficient Permissions" in done.stdout) == (4, True)


def test_module_options_are_declared_first_and_in_force_after_a_boot(alone: Fleet, node: Node) -> None:
    node.ssh("echo 'options nvidia_uvm uvm_disable_hmm=1' > /etc/modprobe.d/test.conf")
    node.ssh("echo 'GRUB_CMDLINE_LINUX=\"iommu=off\"' > /etc/default/grub.d/90-test.cfg; update-grub")
    parameter = "/sys/module/nvidia_uvm/parameters/uvm_disable_hmm"
    assert node.ssh(f"cat {parameter}; ls /sys/kernel/iommu_groups | wc -l").split() == ["N", "8"]
    assert "iommu=off" not in node.ssh("cat /proc/cmdline")
    alone.reboot(node.name)
    assert node.ssh(f"cat {parameter}; ls /sys/kernel/iommu_groups | wc -l").split() == ["Y", "0"]
    assert node.ssh("cat /proc/cmdline").endswith("ro iommu=off quiet")


def test_faults_are_seen_where_a_person_looks(alone: Fleet, node: Node) -> None:
    alone.fault(node.name, "gpu-busy", "0", "90000")
    query = "nvidia-smi --query-gpu=memory.used,pcie.link.gen.current --format=csv,noheader -i 0"
    assert node.ssh(query) == "90000 MiB, 5"
    alone.fault(node.name, "gpu-busy", "0", "off")
    assert node.ssh(query) == "0 MiB, 1"
    alone.fault(node.name, "refuse-limit", "3", "on")
    assert node.try_ssh("nvidia-smi -i 3 -pl 400").returncode != 0
    alone.fault(node.name, "refuse-limit", "3", "off")
    alone.fault(node.name, "xid", "5", "31")
    assert "NVRM: Xid (PCI:0000:85:00): 31" in node.ssh("journalctl --boot --dmesg --output=cat")


def test_calls_that_hang_come_back_when_the_fault_is_gone(alone: Fleet, node: Node) -> None:
    alone.fault(node.name, "hang-nvml", "deep")
    node.ssh("systemd-run --quiet --unit=asking nvidia-smi -L")
    hung = "ps -o stat= -p $(systemctl show -P MainPID asking)"
    assert node.ssh(f"timeout 20 sh -c 'until {hung} | grep -q ^D; do :; done'; {hung}").startswith("D")
    alone.fault(node.name, "hang-nvml", "off")
    node.ssh("timeout 20 sh -c 'while systemctl --quiet is-active asking; do :; done'")
    assert node.ssh("nvidia-smi -L").count("GPU-") == 8


def test_a_lost_card_is_back_after_a_reboot_and_a_missing_one_is_not(alone: Fleet, node: Node) -> None:
    alone.fault(node.name, "lost-card", "1")
    assert "GPU is lost" in node.try_ssh("nvidia-smi").stdout
    assert node.ssh("setpci -s 07:00.0 0.l") == "ffffffff"
    assert "79, " in node.ssh("journalctl --boot --dmesg --output=cat --grep 'Xid .*07:00'")
    alone.fault(node.name, "missing-card", "2", "on")
    alone.reboot(node.name)
    assert node.ssh("nvidia-smi -L").count("GPU-") == 7
    assert node.ssh("lspci -d 10de: | wc -l") == "7"
    alone.fault(node.name, "missing-card", "2", "off")


def test_containers_see_the_cards_that_they_are_given(alone: Fleet, node: Node) -> None:
    node.ssh(f"{INSTALL} docker.io nvidia-container-toolkit")
    node.ssh("nvidia-ctk runtime configure --runtime=docker && systemctl restart docker")
    node.ssh(IMAGE)
    shown = "sh -c 'ldconfig; nvidia-smi -L; ls /dev/nvidia?'"
    uuid = node.ssh("nvidia-smi --query-gpu=uuid --format=csv,noheader -i 4")
    two = node.ssh(f"docker run --rm --runtime=nvidia -e NVIDIA_VISIBLE_DEVICES=0,{uuid} rehearsal:1 {shown}")
    assert (two.count("GPU "), two.count("/dev/nvidia"), uuid in two) == (2, 2, True)
    one = node.ssh(f"docker run --rm --gpus '\"device={uuid}\"' rehearsal:1 {shown}")
    assert (one.count("GPU "), one.count("/dev/nvidia"), uuid in one) == (1, 1, True)
    assert node.try_ssh(f"docker run --rm rehearsal:1 {shown}").returncode != 0
    refused = "docker run --rm --runtime=nvidia -e NVIDIA_VISIBLE_DEVICES=99 rehearsal:1 true"
    assert "99: unknown device" in node.try_ssh(refused).stderr


def test_an_upgrade_behind_our_back_needs_a_reboot(alone: Fleet, node: Node) -> None:
    node.ssh("DEBIAN_FRONTEND=noninteractive apt-get -qq upgrade -y")
    assert "Driver/library version mismatch" in node.try_ssh("nvidia-smi").stdout
    assert node.ssh("modinfo -F version nvidia") == "580.105.08"
    assert "580.95.05" in node.ssh("cat /proc/driver/nvidia/version")
    alone.reboot(node.name)
    assert node.ssh("nvidia-smi --query-gpu=driver_version --format=csv,noheader -i 0") == "580.105.08"


def test_a_new_kernel_without_headers_loses_the_driver(alone: Fleet, node: Node) -> None:
    node.ssh(f"{INSTALL} linux-image-6.1.0-49-amd64")
    alone.reboot(node.name)
    assert node.ssh("uname -r") == "6.1.0-49-amd64"
    assert node.try_ssh("nvidia-smi").returncode == 9
    node.ssh(f"{INSTALL} linux-headers-6.1.0-49-amd64 && systemctl restart nvidia-persistenced")
    assert node.ssh("nvidia-smi -L").count("GPU-") == 8


def test_secure_boot_wants_the_key_that_dkms_signed_with(alone: Fleet, node: Node) -> None:
    alone.fault(node.name, "secure-boot", "on")
    alone.fault(node.name, "unload-driver", "on")
    assert "Key was rejected by service" in node.try_ssh("modprobe nvidia").stderr
    assert "unavailable key is rejected" in node.ssh("journalctl --boot --dmesg --output=cat")
    node.ssh("mokutil --import /var/lib/dkms/mok.pub")
    assert node.try_ssh("modprobe nvidia").returncode == 1
    alone.fault(node.name, "enroll-keys", "on")
    node.ssh("modprobe --all nvidia nvidia_uvm nvidia_drm && systemctl restart nvidia-persistenced")
    assert node.ssh("nvidia-smi -L").count("GPU-") == 8
    alone.fault(node.name, "secure-boot", "off")


def test_a_module_that_does_not_build_leaves_the_kernel_half_configured(alone: Fleet, node: Node) -> None:
    alone.fault(node.name, "dkms", "fails", "on")
    node.ssh("apt-get -qq remove -y linux-headers-6.1.0-49-amd64")
    done = node.try_ssh(f"{INSTALL} linux-headers-6.1.0-49-amd64")
    assert "Bad return status for module build on kernel: 6.1.0-49-amd64" in done.stdout + done.stderr
    assert "error: implicit declaration" in node.ssh("cat /var/lib/dkms/nvidia/*/build/make.log")
    assert "iF" in node.ssh("dpkg -l linux-headers-6.1.0-49-amd64")
    alone.fault(node.name, "dkms", "fails", "off")
    node.ssh("dpkg --configure -a")


def test_a_card_is_pulled_and_another_one_swapped(alone: Fleet, node: Node) -> None:
    before = node.ssh("nvidia-smi --query-gpu=uuid --format=csv,noheader").split()
    alone.fault(node.name, "swapped-card", "0")
    alone.fault(node.name, "pulled-card", "7", "on")
    after = node.ssh("nvidia-smi --query-gpu=uuid --format=csv,noheader").split()
    assert after[1:] == before[1:7]
    assert after[0] != before[0]
    alone.fault(node.name, "pulled-card", "7", "off")


def test_the_package_server_can_be_wrong_for_one_node(alone: Fleet, node: Node) -> None:
    alone.fault(node.name, "wrong-signature", "on")
    assert "NO_PUBKEY" in node.ssh("apt-get update 2>&1")
    alone.fault(node.name, "wrong-signature", "off")
    alone.fault(node.name, "withdrawn-package", "nvidia-modprobe", "on")
    alone.fault(node.name, "lost-package", "unattended-upgrades", "on")
    node.ssh("apt-get update -qq")
    assert "packages.glmprov.lab" not in node.ssh("apt-cache policy nvidia-modprobe")
    done = node.try_ssh(f"{INSTALL} unattended-upgrades")
    assert "404" in done.stderr
    alone.fault(node.name, "lost-package", "unattended-upgrades", "off")
    node.ssh(f"{INSTALL} unattended-upgrades")


def test_proprietary_modules_do_not_drive_blackwell(node: Node) -> None:
    node.ssh(f"{INSTALL} nvidia-kernel-dkms")
    node.ssh("systemctl stop nvidia-persistenced; modprobe -r nvidia_drm nvidia_uvm; modprobe nvidia")
    assert node.try_ssh("nvidia-smi").stdout.strip() == "No devices were found"
    assert node.ssh("modinfo -F license nvidia") == "NVIDIA"


def test_nothing_failed_on_the_way(node: Node) -> None:
    failed = node.ssh("systemctl --failed --plain --no-legend | cut -d' ' -f1").split()
    assert set(failed) <= {"nvidia-persistenced.service"}


def test_a_node_that_calls_itself_ubuntu(bring_up: Callable[..., Fleet]) -> None:
    node = bring_up("ubuntu-4x-server").nodes["ubuntu-4x"]
    assert node.ssh(". /etc/os-release; echo $ID $VERSION_ID; uname -r").split() == [
        "ubuntu", "24.04", "6.8.0-88-generic",
    ]  # fmt: skip
    assert "amd64" not in node.ssh("ls /boot")
    modules = "linux-modules-nvidia-580-server-open-$(uname -r)"
    node.ssh(f"apt-get -qq update; {INSTALL} {modules} nvidia-utils-580-server")
    node.ssh("modprobe nvidia")
    assert node.ssh("nvidia-smi -L").count("GPU-") == 4
    assert node.ssh("modinfo -F signer nvidia").startswith("Canonical")
