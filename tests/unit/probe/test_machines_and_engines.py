"""What shows that virtual machines run, which engines there are, and what of the settings is in files of ours."""

from __future__ import annotations

from typing import Any

import pytest

from glmprov.probe.answer import Answer
from glmprov.probe.parse_engine import container_engine
from glmprov.probe.parse_machines import virtual_machines
from glmprov.probe.parse_ours import ours

VFIO, LIBVIRT, PROXMOX = "/sys/bus/pci/drivers/vfio-pci", "/run/libvirt/qemu", "/run/qemu-server"
INSTALLED = "install ok installed"
SNAP, SNAP_PID = "/snap/docker", "/var/snap/docker/current/run/docker.pid"
KVM = "kvm 1 1 kvm_amd, Live 0x0\nkvm_amd 212992 {} - Live 0x0\n"


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"folders": {}}, ()),
        ({"folders": {VFIO: ["bind", "module", "new_id"], LIBVIRT: ["autostart", "driver.pid"]}}, ()),
        ({"folders": {VFIO: ["0000:41:00.0", "0000:41:00.1", "bind"]}}, ("vfio-pci has 0000:41:00.0, 0000:41:00.1",)),
        ({"folders": {LIBVIRT: ["driver.pid", "web.pid", "web.xml"]}}, ("web running",)),
        ({"folders": {PROXMOX: ["101.pid", "101.qmp"]}}, ("101 (Proxmox) running",)),
        ({"files": {"/proc/modules": KVM.format(3)}}, ("kvm_amd has 3 users",)),
        ({"files": {"/proc/modules": KVM.format(0)}}, ()),
        ({"files": {"/proc/modules": None}, "folders": {"error": "denied"}}, ()),
    ],
)  # fmt: skip
def test_virtual_machines(parts: dict[str, Any], said: tuple[str, ...]) -> None:
    assert virtual_machines(Answer({"files": {}, **parts})) == said


@pytest.mark.parametrize(
    ("parts", "package", "others"),
    [
        ({}, None, {}),
        ({"packages": [["docker-ce", INSTALLED, "5:28.1.1-1"]]}, "docker-ce", {}),
        (
            {"folders": {SNAP: ["2915", "current"]}, "files": {SNAP_PID: "77"}},
            None,
            {"snap": "running"},
        ),
        ({"folders": {SNAP: ["2915"]}}, None, {"snap": "not running"}),
        (
            {"files": {"/run/user/1000/docker.pid": "9", "/home/eva/.config/systemd/user/docker.service": "[Unit]"}},
            None,
            {"rootless": "user 1000, user eva"},
        ),
        (
            {"packages": [["podman", INSTALLED, "4.3.1"], ["podman-docker", INSTALLED, "4.3.1"]]},
            None,
            {"podman": "4.3.1", "podman-docker": "4.3.1"},
        ),
        ({"packages": [["podman", "deinstall ok config-files", "4.3.1"]]}, None, {}),
    ],
)  # fmt: skip
def test_engines_are_told_apart(parts: dict[str, Any], package: str | None, others: dict[str, str]) -> None:
    files = {"/etc/docker/daemon.json": None, SNAP_PID: None}
    answer = {"packages": [], "folders": {}, "docker": {"error": "dockerd is not running"}, **parts}
    found = container_engine(Answer({**answer, "files": {**files, **parts.get("files", {})}}))
    assert (found.package, found.others) == (package, others)


def test_what_others_declare_is_not_ours() -> None:
    files = {
        "/etc/sysctl.d/90-glmprov.conf": "# Written by glmprov.\nvm.swappiness = 0\n",
        "/etc/sysctl.d/99-theirs.conf": "vm.max_map_count = 1\n",
        "/etc/modprobe.d/glmprov.conf": 'options nvidia NVreg_RegistryDwords="A=1;B=2"\n',
        "/etc/modprobe.d/nvidia.conf": "options nvidia_drm modeset=1\n",
        "/etc/glmprov/host-tuning.conf": "governor=performance\nacs_off=0000:00:01.1\n",
        "/etc/default/grub.d/90-glmprov.cfg": None,
    }
    answer = {"files": files, "lines": {"/boot/grub/grub.cfg": None}}
    assert ours(Answer(answer)) == {
        "sysctl": {"vm.swappiness": "0"},
        "module_options": {"nvidia.NVreg_RegistryDwords": "A=1;B=2"},
        "acs_disabled": {"0000:00:01.1": "True"},
    }
    with_grub = {"files": files, "lines": {"/boot/grub/grub.cfg": ["linux /vmlinuz-6.1 ro quiet"]}}
    assert ours(Answer(with_grub))["kernel_arguments"] == {}
