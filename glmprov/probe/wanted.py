"""What the payload is asked to gather. It reads what stands here and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

UNITS = (
    "glmprov-gpu-power.service",
    "glmprov-host-tuning.service",
    "glmprov-device-links.service",
    "docker.service",
    "nvidia-persistenced.service",
    "unattended-upgrades.service",
    "apt-daily-upgrade.timer",
)

SYSCTL_KEYS = (
    "vm.swappiness",
    "vm.max_map_count",
    "vm.overcommit_memory",
    "vm.zone_reclaim_mode",
    "vm.nr_hugepages",
    "kernel.numa_balancing",
    "kernel.pid_max",
    "fs.file-max",
    "net.core.somaxconn",
)
"""Read always; keys that an inventory names besides are given to `wanted`."""

INSTANCES = "/etc/glmprov/instances"
INSTANCE_RECEIPTS = "/var/lib/glmprov/instances/*/receipt.json"

FILES = (
    "/etc/os-release",
    "/proc/sys/kernel/random/boot_id",
    "/proc/cmdline",
    "/proc/meminfo",
    "/proc/modules",
    "/proc/driver/nvidia/version",
    "/run/systemd/container",
    "/sys/class/dmi/id/sys_vendor",
    "/sys/class/dmi/id/product_name",
    "/sys/devices/system/cpu/online",
    "/sys/devices/system/cpu/offline",
    "/sys/devices/system/cpu/present",
    "/sys/devices/system/node/node*/cpulist",
    "/sys/devices/system/node/node*/distance",
    "/sys/devices/system/node/node*/meminfo",
    "/etc/kernel/cmdline",
    "/etc/modprobe.d/*.conf",
    "/run/modprobe.d/*.conf",
    "/usr/lib/modprobe.d/*.conf",
    "/lib/modprobe.d/*.conf",
    "/etc/sysctl.d/*.conf",
    "/run/sysctl.d/*.conf",
    "/usr/lib/sysctl.d/*.conf",
    "/etc/security/limits.d/90-glmprov.conf",
    "/etc/apt/preferences",
    "/etc/apt/preferences.d/*",
    "/etc/apt/apt.conf.d/*",
    "/etc/default/grub.d/90-glmprov.cfg",
    "/etc/docker/daemon.json",
    "/var/snap/docker/current/run/docker.pid",
    "/run/user/*/docker.pid",
    "/home/*/.config/systemd/user/docker.service",
    "/etc/glmprov/gpu-power.conf",
    "/etc/glmprov/host-tuning.conf",
    "/etc/glmprov/nccl.env",
    "/etc/nccl.conf",
    "/root/.nccl.conf",
    "/var/lib/glmprov/receipt.json",
    "/var/lib/glmprov/packages.json",
    "/var/lib/glmprov/lock.json",
    "/var/lib/glmprov/driver/kept.json",
    INSTANCE_RECEIPTS,
    "/boot/grub/grubenv",
    "/var/run/reboot-required",
)

OUR_FILES = (
    "/etc/glmprov/*",
    "/etc/glmprov/instances/*/environment",
    "/etc/glmprov/instances/*/gate.json",
    "/etc/glmprov/instances/*/logging.json",
    "/etc/glmprov/instances/*/moe/*",
    "/etc/glmprov/instances/*/moe/*/*/*",
    "/etc/systemd/system/glmprov-*",
    "/etc/systemd/system/glmprov-*/*",
    "/usr/local/lib/glmprov/*",
    "/etc/modprobe.d/glmprov*",
    "/etc/sysctl.d/90-glmprov.conf",
    "/etc/security/limits.d/90-glmprov.conf",
    "/etc/default/grub.d/90-glmprov.cfg",
    "/etc/apt/apt.conf.d/51glmprov-*",
    "/etc/apt/preferences.d/glmprov-*",
    "/etc/apt/sources.list.d/glmprov-*",
    "/etc/apt/keyrings/glmprov-*",
    "/etc/docker/daemon.json",
)
"""Summed on the host: the table "Files on a host" in docs/architecture.md."""

PACKAGES = (
    "nvidia-",
    "libnv",
    "libcuda",
    "cuda-drivers",
    "linux-",
    "xserver-xorg-video-nvidia",
    "firmware-nvidia",
    "docker",
    "containerd",
    "podman",
    "moby-engine",
    "unattended-upgrades",
)

DRIVER_FILES = (
    "/proc/driver/nvidia/params",
    "/proc/driver/nvidia/gpus/*/information",
    "/sys/module/nvidia*/parameters/*",
)
"""Answered by the driver itself, so a broken one may block here: read in the child."""

HOMES = ("/home/*/.nccl.conf",)
"""May lie on a file server that is down: read in the child, and only where a driver is loaded."""

CPUS = "/sys/devices/system/cpu/"
GOVERNORS = CPUS + "cpu*/cpufreq/scaling_governor"

GRUB = "/boot/grub/grub.cfg"
GRUB_DROP_IN = "/etc/default/grub.d/90-glmprov.cfg"
BOOT_LINES = ("menuentry ", "submenu ", "linux", "set default", "function ", "}")
"""What tells the entries of grub.cfg and which of them boots: braces are counted, so those of functions too."""

MODULES = (
    "/lib/modules/*/updates/dkms/nvidia.ko*",
    "/lib/modules/*/updates/dkms/nvidia-current.ko*",
    "/lib/modules/*/kernel/nvidia-*/nvidia.ko*",
    "/lib/modules/*/kernel/drivers/video/nvidia.ko*",
    "/lib/modules/*/extra/nvidia.ko*",
)
"""The driver's main module for each kernel: built by dkms, prebuilt by Ubuntu, installed by other means."""
KERNELS = ("/boot/vmlinuz-*", "/var/lib/dkms/nvidia*/*/*/x86_64/module")
SIGNATURE_BYTES = 28
"""The length of the mark behind a signed module (Linux, kernel/module_signature.c)."""
CDI_SPECS = ("/etc/cdi/nvidia.yaml", "/var/run/cdi/nvidia.yaml")
"""Where nvidia-ctk and its service put them. Under other names they are made with options that we don't know."""
CDI_LIBRARY = "libcuda.so."
MOK_LIST = "/sys/firmware/efi/efivars/MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23"
MOK_KEYS = ("/var/lib/dkms/mok.pub", "/var/lib/shim-signed/mok/MOK.der")
"""Where dkms keeps the certificate that belongs to the key it signs with, on Debian and on Ubuntu."""
CPUINFO = "/proc/cpuinfo"
IOMMU_GROUPS = "/sys/kernel/iommu_groups"
EFI = "/sys/firmware/efi"
REHEARSAL = "/opt/glmlab"
VFIO = "/sys/bus/pci/drivers/vfio-pci"
LIBVIRT = "/run/libvirt/qemu"
PROXMOX = "/run/qemu-server"
SNAP = "/snap/docker"
SECURE_BOOT = EFI + "/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

GATE_PROGRAM = "/usr/local/lib/glmprov/gate"
WEIGHTS = ("/var/lib/glmprov/instances/*/weights/*",)
"""Through the link that the role makes; only sizes are taken, the files hold hundreds of gigabytes."""
INSTANCE_PROPERTIES = ("Id", "LoadState", "ActiveState", "SubState", "UnitFileState", "NRestarts", "Result")

UNIT_PROPERTIES = ("LoadState", "ActiveState", "UnitFileState", "WantedBy")


def wanted(sysctl_keys: Sequence[str] = (), *, nvml_seconds: float = 30.0) -> dict[str, Any]:
    """Return the payload's orders: what to read, ask and run, and how long the driver may take on the host.

    sysctl_keys are read besides SYSCTL_KEYS. With persistence mode off each start of NVML costs seconds a
    card, hence the patience.
    """
    keys = dict.fromkeys((*SYSCTL_KEYS, *sysctl_keys))
    return {
        "files": [*FILES, *(sysctl_path(key) for key in keys)],
        "sums": list(OUR_FILES),
        "sizes": list(WEIGHTS),
        "instances": [INSTANCES, INSTANCE_RECEIPTS],
        "instance_command": [
            "systemctl",
            "show",
            "--no-pager",
            "--property=" + ",".join(INSTANCE_PROPERTIES),
        ],
        "packages": list(PACKAGES),
        "lines": {GRUB: list(BOOT_LINES)},
        "present": list(KERNELS),
        "tails": list(MODULES),
        "tail_bytes": SIGNATURE_BYTES,
        "numbers": {CDI_LIBRARY: list(CDI_SPECS)},
        "within": {MOK_LIST: list(MOK_KEYS)},
        "folders": [IOMMU_GROUPS, EFI, REHEARSAL, VFIO, LIBVIRT, PROXMOX, SNAP],
        "tallies": [GOVERNORS],
        "sockets": [CPUS + "online", CPUS + "cpu%d/topology/core_siblings_list"],
        "heads": [CPUINFO],
        "hex": [SECURE_BOOT],
        "docker": ["/info", "/containers/json"],
        "docker_seconds": 5,
        "units": list(UNITS),
        "unit_properties": list(UNIT_PROPERTIES),
        "commands": {
            "systemctl": [
                "systemctl",
                "show",
                "--no-pager",
                "--property=" + ",".join(("Id", *UNIT_PROPERTIES)),
                *UNITS,
            ],
        },
        "driver_commands": {
            "journal": [
                "journalctl",
                "-k",
                "-b",
                "-q",
                "--no-pager",
                "-o",
                "cat",
                "-n",
                "500",
                "-g",
                "NVRM: Xid",
            ],
        },
        "command_seconds": 8,
        "driver_files": list(DRIVER_FILES),
        "homes": list(HOMES),
        "nvml_libraries": [
            f"{folder}/libnvidia-ml.so.1"
            for folder in (
                "/usr/lib/x86_64-linux-gnu",
                "/usr/lib/aarch64-linux-gnu",
                "/usr/lib64",
                "/usr/lib",
                "/lib/x86_64-linux-gnu",
                "/usr/local/nvidia/lib64",
                "/usr/local/lib",
                "/run/opengl-driver/lib",
            )
        ],
        "nvml_seconds": nvml_seconds,
    }


def sysctl_path(key: str) -> str:
    """Given a sysctl key ("vm.swappiness"), return its file under /proc/sys."""
    return "/proc/sys/" + key.replace(".", "/")
