"""The simulated kernel's programs on a root folder of their own: boot loader configuration, module options, loading."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from glmprov.lab import hardware_tree

PROGRAMS = Path(hardware_tree.__file__).with_name("sim") / "node"
RELEASE = "6.1.0-48-amd64"
GRUB = 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX=""\n'


def _load(path: Path) -> Any:
    """Return a program of the node as a module: none of them is in a package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


module_file = _load(PROGRAMS / "module_file.py")
OURS = module_file.Key("DKMS module signing key", "01:02")


class Node:
    """A root folder, hardware and volatile state."""

    def __init__(self, folder: Path, profile: str = "turin-6x") -> None:
        self.root, self.hardware, self.state = folder / "root", folder / "hw", folder / "run"
        hardware_tree.write(profile, self.hardware)
        self.write("etc/default/grub", GRUB)
        self.write("etc/machine-id", "0" * 32 + "\n")
        self.write(f"boot/vmlinuz-{RELEASE}", "")
        self.state.mkdir()
        (self.state / "kernel").write_text(RELEASE + "\n")

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def build(self, version: str = "580.95.05", is_open: bool = True, key: object = None) -> None:
        folder = self.root / f"lib/modules/{RELEASE}/updates/dkms"
        module_file.write_all(folder, version, is_open, RELEASE, key)

    def run(self, program: str, *words: str) -> subprocess.CompletedProcess[str]:
        places = {"GLMLAB_ROOT": self.root, "GLMLAB_HARDWARE": self.hardware, "GLMLAB_STATE": self.state}
        environment: Mapping[str, str] = {**os.environ, **{key: str(value) for key, value in places.items()}}
        command = [sys.executable, self.hardware / "bin" / program, *words]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    def secure_boot(self) -> None:
        variables = self.state / "efi/efivars"
        variables.mkdir(parents=True)
        name = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
        (variables / name).write_bytes(b"\x06\0\0\0\x01")

    @property
    def grub(self) -> str:
        return (self.root / "boot/grub/grub.cfg").read_text()

    @property
    def command_line(self) -> str:
        lines = self.grub.splitlines()
        return next(line for line in lines if line.split()[:1] == ["linux"]).split(" ro ")[1]

    def shows(self, name: str) -> str:
        return (self.state / name).read_text().strip()


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_the_command_line_follows_the_files_in_their_order(node: Node) -> None:
    node.write("etc/default/grub.d/10-first.cfg", 'GRUB_CMDLINE_LINUX="console=ttyS0"\n')
    appended = 'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT iommu=pt"\n'
    node.write("etc/default/grub.d/90-glmprov.cfg", appended)
    assert node.run("update-grub").returncode == 0
    assert node.command_line == "console=ttyS0 quiet iommu=pt"


def test_the_newest_kernel_comes_first(node: Node) -> None:
    node.write("boot/vmlinuz-6.1.0-100-amd64", "")
    node.run("update-grub")
    assert "vmlinuz-6.1.0-100-amd64" in node.grub.split("linux\t")[1]


def test_a_broken_grub_file_leaves_the_old_configuration(node: Node) -> None:
    node.run("update-grub")
    node.write("etc/default/grub.d/90-broken.cfg", 'GRUB_CMDLINE_LINUX="unfinished\n')
    assert node.run("update-grub").returncode != 0
    assert node.command_line == "quiet"


def test_a_module_that_is_not_built_does_not_load(node: Node) -> None:
    done = node.run("modprobe-nvidia", "nvidia")
    assert done.returncode == 1
    assert f"not found in directory /lib/modules/{RELEASE}" in done.stderr


def test_options_of_modprobe_d_are_in_force_after_loading(node: Node) -> None:
    node.build()
    node.write(
        "etc/modprobe.d/glmprov.conf",
        'options nvidia NVreg_RegistryDwords="ForceP2P=0x11;RMForceP2PType=1" NVreg_EnableResizableBar=1\n'
        "options nvidia-uvm uvm_disable_hmm=1\n# options nvidia NVreg_EnableMSI=0\n",
    )
    assert node.run("modprobe-nvidia", "nvidia_uvm").returncode == 0
    assert node.shows("module/nvidia_uvm/parameters/uvm_disable_hmm") == "Y"
    params = node.shows("proc_nvidia/params").splitlines()
    assert 'RegistryDwords: "ForceP2P=0x11;RMForceP2PType=1"' in params
    assert "EnableResizableBar: 1" in params
    assert "EnableMSI: 1" in params


def test_reloading_forgets_limits(node: Node) -> None:
    node.build()
    node.run("modprobe-nvidia", "nvidia")
    card = node.state / "cards/0000:61:00.0"
    card.mkdir(parents=True)
    (card / "limit_mw").write_text("400000\n")
    assert node.run("rmmod", "nvidia").returncode == 0
    node.run("modprobe-nvidia", "nvidia")
    assert not (card / "limit_mw").exists()


def test_a_module_in_use_stays(node: Node) -> None:
    node.build()
    node.run("modprobe-nvidia", "nvidia_drm")
    assert "in use by: nvidia_modeset" in node.run("rmmod", "nvidia").stderr
    holders = node.state / "cards/0000:61:00.0/holders"
    holders.mkdir(parents=True)
    (holders / str(os.getpid())).write_text("1\n")
    assert node.run("modprobe-nvidia", "-r", "nvidia_drm").returncode == 0
    assert "in use" in node.run("rmmod", "nvidia").stderr
    assert node.run("lsmod").stdout.splitlines()[1].split() == ["nvidia", "1830912", "1"]


def test_the_proprietary_modules_take_no_blackwell_card(node: Node) -> None:
    node.build(is_open=False)
    assert node.run("modprobe-nvidia", "nvidia").returncode == 0
    assert not list((node.state / "driver/cards").iterdir())
    assert "Open" not in node.shows("proc_nvidia/version")


def test_the_proprietary_modules_take_a_hopper_card(tmp_path: Path) -> None:
    node = Node(tmp_path, "h200-x2")
    node.build(is_open=False)
    node.run("modprobe-nvidia", "nvidia")
    assert len(list((node.state / "driver/cards").iterdir())) == 2


def test_a_missing_card_is_not_taken(node: Node) -> None:
    node.build()
    (node.hardware / "faults/missing").mkdir()
    (node.hardware / "faults/missing/0000:71:00.0").touch()
    node.run("modprobe-nvidia", "nvidia")
    assert len(list((node.state / "driver/cards").iterdir())) == 5


def test_the_default_entry_may_be_another_kernel(node: Node) -> None:
    node.write("boot/vmlinuz-6.1.0-100-amd64", "")
    node.write("etc/default/grub.d/10.cfg", f"GRUB_DEFAULT='Debian GNU/Linux, with Linux {RELEASE}'\n")
    node.run("update-grub")
    assert f'set default="Debian GNU/Linux, with Linux {RELEASE}"' in node.grub


def test_modinfo_reads_what_was_written(node: Node) -> None:
    node.build(key=OURS)
    assert node.run("modinfo", "-F", "version", "nvidia").stdout == "580.95.05\n"
    assert node.run("modinfo", "-F", "signer", "nvidia-uvm").stdout == "DKMS module signing key\n"
    path = node.root / f"lib/modules/{RELEASE}/updates/dkms/nvidia-drm.ko"
    assert "license:        Dual MIT/GPL" in node.run("modinfo", str(path)).stdout
    assert node.run("modinfo", "-k", "6.1.0-49-amd64", "nvidia").returncode == 1


def test_a_reader_needs_no_more_than_bytes(node: Node) -> None:
    node.build(key=OURS)
    data = (node.root / f"lib/modules/{RELEASE}/updates/dkms/nvidia.ko").read_bytes()
    assert b"\0version=580.95.05\0" in data
    assert data.endswith(b"~Module signature appended~\n")
    node.build()
    data = (node.root / f"lib/modules/{RELEASE}/updates/dkms/nvidia.ko").read_bytes()
    assert not data.endswith(b"~Module signature appended~\n")


def test_a_prebuilt_module_is_found_beside_the_kernels_own_and_dkms_comes_first(node: Node) -> None:
    assert node.run("make-modules", RELEASE, "kernel/nvidia-580srv-open", "580.95.05").returncode == 0
    assert node.run("modinfo", "-F", "signer", "nvidia").stdout.startswith("Canonical")
    node.build("595.58.03")
    assert node.run("modinfo", "-F", "version", "nvidia").stdout == "595.58.03\n"


def test_secure_boot_takes_modules_of_the_vendor_and_of_enrolled_keys_alone(node: Node) -> None:
    node.secure_boot()
    node.build()
    refused = node.run("modprobe-nvidia", "nvidia")
    assert (refused.returncode, "Key was rejected by service" in refused.stderr) == (1, True)
    node.build(key=OURS)
    assert node.run("modprobe-nvidia", "nvidia").returncode == 1
    node.build(key=module_file.VENDOR)
    assert node.run("modprobe-nvidia", "nvidia").returncode == 0


def test_a_key_is_trusted_after_somebody_confirmed_it(node: Node) -> None:
    node.secure_boot()
    node.build(key=OURS)
    certificate = node.root / "mok.pub"
    certificate.write_text(module_file.certificate(OURS))
    assert node.run("mokutil", "--sb-state").stdout == "SecureBoot enabled\n"
    assert node.run("mokutil", "--test-key", str(certificate)).stdout == f"{certificate} is not enrolled\n"
    assert node.run("mokutil", "--import", str(certificate)).returncode == 0
    assert "CN=DKMS" in node.run("mokutil", "--list-new").stdout
    assert node.run("modprobe-nvidia", "nvidia").returncode == 1
    (node.hardware / "firmware/enrolled").mkdir()
    for path in (node.hardware / "firmware/new").iterdir():
        path.rename(node.hardware / "firmware/enrolled" / path.name)
    assert "already enrolled" in node.run("mokutil", "--test-key", str(certificate)).stdout
    assert node.run("modprobe-nvidia", "nvidia").returncode == 0
