"""The sections, field by field. Each is a role in roles/ and the first word of an audit line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from glmprov.state.kinds import Disruption, fact, outcome, role_input, setting
from glmprov.state.values import Dropped, Later, Setting, Unit, Unknown


@dataclass(frozen=True)
class GpuDriver:
    """The NVIDIA driver with open kernel modules, from one declared source, held as a set."""

    source: str | None = role_input()
    """"nvidia" (its own repository), "ubuntu" (the archive's packages) or "existing" (only checked)."""
    branch: str | Unknown | None = setting(Disruption.DRIVER)
    """The driver branch, "580"; observed: of the installed packages, else of the loaded module."""
    version: Setting | Later | Unknown | None = setting(Disruption.DRIVER)
    """Declared: the installed packages' version ("580.95.05"); effective: the loaded kernel module's."""
    origin: str | None = outcome(Disruption.DRIVER)
    """Whose packages the installed driver is made of, "nvidia" or "ubuntu"; it follows the source."""
    open_modules: bool | Unknown | Later | None = outcome(Disruption.DRIVER)
    """The loaded kernel module is the open one; Blackwell runs with no other."""
    next_kernel_module: bool | Later | Unknown | None = outcome()
    """The kernel that boots next has a module of the installed version, and Secure Boot lets it load."""
    next_kernel_configured: bool | None = outcome()
    """dpkg is done with the package of the kernel that boots next: before that it may have no initramfs."""
    held: Mapping[str, bool] | Later | Unknown | None = outcome()
    """apt hold by package, of those that are installed: driver, module, userland, and what brings and is the kernel."""
    pinned: bool | Unknown | None = setting(shared=True)
    """An apt pin keeps the branch (the pinning package, or our preferences file)."""
    automatic_upgrades_blocked: bool | Unknown | None = setting(shared=True)
    """unattended-upgrades is told to leave driver and kernel alone."""
    nouveau_blocked: bool | Unknown | None = setting(Disruption.REBOOT, shared=True)
    """The nouveau module is kept from loading."""
    persistence_daemon: Unit | Later | Unknown | None = setting()
    """nvidia-persistenced.service."""
    cdi_specs: Mapping[str, str] | Unknown | None = outcome()
    """Driver version whose libraries a CDI specification names, by its path. Where there is none, CDI isn't in use."""
    cards: Mapping[str, bool] | Later | Unknown | None = outcome()
    """Cards by UUID that the driver shows. A card of the last receipt that is gone is drift, and a person's to mend."""
    kernels: tuple[str, ...] | None = role_input()
    """Releases of the kernels that need a module: the running one and the one that boots next."""
    keep_previous: bool | None = role_input()
    """Before an upgrade, the packages of the installed driver are kept on the host."""
    rollback: bool | None = role_input()
    """Install the kept packages of the driver before, not what a source offers."""
    repository_url: str | None = role_input()
    repository_key_url: str | None = role_input()
    repository_key_fingerprint: str | None = role_input()
    next_kernel: str | Unknown | None = fact()
    """The release of the kernel that boots next."""
    signing_key_enrolled: bool | Unknown | None = fact()
    """The firmware trusts the key that signs modules built on this host. None: there is no such key."""
    previous_version: str | None = fact()
    """The driver version whose packages are kept on the host."""
    previous_origin: str | None = fact()
    """Whose packages those are."""
    rolled_back_from: str | None = fact()
    """The driver version that somebody went back from."""
    rolled_back_from_origin: str | None = fact()
    """Whose packages that one was made of."""


@dataclass(frozen=True)
class ContainerEngine:
    """A working Docker Engine (theirs, if they have one) and the NVIDIA Container Toolkit."""

    package: str | Unknown | None = setting(Disruption.DOCKER)
    """The engine's package: "docker.io" or "docker-ce". An engine that is there is kept, whichever it is."""
    engine_version: str | Unknown | None = fact()
    others: Mapping[str, str] | Unknown | None = fact()
    """Engines beside the package's, with where or whose they are: "snap", "rootless", "podman", "podman-docker"."""
    service: Unit | Unknown | None = setting(Disruption.DOCKER)
    """docker.service."""
    toolkit: bool | Unknown | None = setting()
    """nvidia-container-toolkit is installed."""
    toolkit_version: str | Unknown | None = fact()
    daemon: Mapping[str, Dropped | Any] | Unknown | None = setting(Disruption.DOCKER, shared=True)
    """Keys merged into /etc/docker/daemon.json, by dotted path ("runtimes.nvidia.path"). Others are left alone."""
    asked_options: tuple[str, ...] | None = fact()
    """The items of the daemon's exec-opts that we asked for; others are in that list too. Known from the receipt."""
    nvidia_runtime: bool | Unknown | None = outcome(Disruption.DOCKER)
    """The running daemon knows the runtime "nvidia"."""
    cgroup_driver: str | Unknown | None = outcome(Disruption.DOCKER)
    """The running daemon's cgroup driver. With "systemd" a daemon-reload can cut containers off their cards."""
    device_links: Unit | Unknown | None = setting()
    """glmprov-device-links.service: makes the /dev/char links at boot, so that a daemon-reload is harmless."""
    toolkit_repository_url: str | None = role_input()
    toolkit_repository_key_url: str | None = role_input()
    toolkit_repository_key_fingerprint: str | None = role_input()


@dataclass(frozen=True)
class GpuPower:
    """Persistence mode and power limit of each card, by UUID, now and after every boot."""

    persistence_mode: Mapping[str, bool] | Later | Unknown | None = outcome()
    limit_watts: Mapping[str, Setting] | Later | Unknown | None = setting()
    """Declared: /etc/glmprov/gpu-power.conf, read by the boot unit; effective: the limit that the card was given."""
    limit_in_force: Mapping[str, bool | Unknown] | Later | Unknown | None = outcome()
    """The card enforces the limit that it was given. If not, something else (board, BMC, heat) holds it lower."""
    enforced_watts: Mapping[str, int] | Unknown | None = fact()
    budget_watts: int | None = role_input()
    """What the limits of all cards may add up to."""
    boot_unit: Unit | Later | Unknown | None = setting()
    """glmprov-gpu-power.service: after nvidia-persistenced and PartOf it, before every backend."""


@dataclass(frozen=True)
class HostTuning:
    """Kernel command line, module options, sysctl, governor, PCIe ACS, limits."""

    kernel_arguments: Mapping[str, Setting] | Unknown | None = setting(Disruption.REBOOT, shared=True)
    """By name; a flag without a value is "". Declared: the boot loader's configuration; effective: /proc/cmdline."""
    module_options: Mapping[str, Setting] | Unknown | None = setting(Disruption.REBOOT, shared=True)
    """By "module.option". Declared: modprobe.d; effective: /sys/module or /proc/driver/nvidia/params."""
    sysctl: Mapping[str, Setting] | Unknown | None = setting(shared=True)
    """Declared: /etc/sysctl.d/90-glmprov.conf (or what overrides it); effective: /proc/sys."""
    cpu_governor: Setting | Unknown | None = setting()
    """Declared: /etc/glmprov/host-tuning.conf, read by the boot unit; effective: scaling_governor of all CPUs."""
    acs_disabled: Mapping[str, Setting] | Unknown | None = setting()
    """PCIe ACS is off, by bus id of the bridge above our cards. Declared: host-tuning.conf; effective: config space."""
    boot_unit: Unit | Unknown | None = setting()
    """glmprov-host-tuning.service: sets governor and ACS at boot, before every backend."""
    limits: Mapping[str, str] | Unknown | None = setting(exact=True)
    """/etc/security/limits.d/90-glmprov.conf by item ("memlock": "unlimited")."""
    p2p: str | None = role_input()
    """"off", "auto" or "forced": what led to the registry keys among the module options."""
    ours: Mapping[str, Mapping[str, str]] | None = fact()
    """What files of ours declare, by field and name: {"sysctl": {"vm.swappiness": "0"}}. Others declare more."""


@dataclass(frozen=True)
class NcclEnv:
    """The host's default NCCL environment, /etc/glmprov/nccl.env."""

    profile: str | None = role_input()
    """"latency", "throughput", "published" or "none"."""
    env: Mapping[str, str] | Later | Unknown | None = setting(exact=True)
    reasons: Mapping[str, str] | None = role_input()
    """Why each variable has its value, written above it as a comment."""
    elsewhere: Mapping[str, str] | Unknown | None = fact()
    """NCCL settings in files that NCCL reads too ("/etc/nccl.conf: NCCL_DEBUG": "INFO")."""


@dataclass(frozen=True)
class HostState:
    """Every section of the host scope. None: the section isn't managed."""

    gpu_driver: GpuDriver | None = None
    container_engine: ContainerEngine | None = None
    gpu_power: GpuPower | None = None
    host_tuning: HostTuning | None = None
    nccl_env: NcclEnv | None = None
