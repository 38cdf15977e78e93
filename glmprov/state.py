"""What a host is set to: one frozen dataclass a section, filled twice.

The plan fills it with what is *expected*, the probe with what is *observed*; drift/ compares the two with one generic
walk, and `role_variables` flattens the expected one into the role's variables. A section's name is the dataclass'
field in HostState, the role in roles/, the prefix of the role's variables and the first word of an audit line.

Values:
  expected None    not managed, never compared
  expected Later   can't be known yet, with what it waits for; never compared, never given to a role
  observed None    absent on the host
  observed Unknown could not be read, with the reason: neither right nor wrong
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from enum import StrEnum
from typing import Any


@dataclass(frozen=True)
class Unknown:
    """What could not be read, and why."""

    reason: str


@dataclass(frozen=True)
class Later:
    """What can't be known yet, and what it waits for ("known after the driver is installed")."""

    reason: str


@dataclass(frozen=True)
class Setting:
    """A value in two places: declared in the file that is read at boot, effective in the running system."""

    declared: str | int | bool | Unknown | None
    effective: str | int | bool | Unknown | None


@dataclass(frozen=True)
class Unit:
    """A systemd unit: starts at boot (enabled), runs or has run since boot (active)."""

    enabled: bool | Unknown
    active: bool | Unknown


class Kind(StrEnum):
    """What a field is to plan, role and audit."""

    SETTING = "setting"
    """Given to the role and compared."""
    INPUT = "input"
    """Given to the role, not compared: it says how, not what."""
    OUTCOME = "outcome"
    """Compared, but no option of the role: it follows from what the role does."""
    FACT = "fact"
    """Only observed and shown."""


class Disruption(StrEnum):
    """What a change interrupts, mildest first."""

    NONE = "none"
    SERVICE = "service"
    DOCKER = "docker"
    DRIVER = "driver"
    REBOOT = "reboot"


def _of(kind: Kind, disruption: Disruption, exact: bool, default: Any) -> Any:
    """Return a dataclass field that knows its kind. exact: in a mapping, a key that isn't expected is drift."""
    return field(default=default, metadata={"kind": kind, "disruption": disruption, "exact": exact})


def setting(disruption: Disruption = Disruption.NONE, *, exact: bool = False) -> Any:
    """Declare a field that the role sets and the audit compares."""
    return _of(Kind.SETTING, disruption, exact, None)


def role_input() -> Any:
    """Declare a field that the role needs and nobody compares."""
    return _of(Kind.INPUT, Disruption.NONE, False, None)


def outcome(disruption: Disruption = Disruption.NONE) -> Any:
    """Declare a field that is compared and follows from what the role does."""
    return _of(Kind.OUTCOME, disruption, False, None)


def fact() -> Any:
    """Declare a field that is only observed."""
    return _of(Kind.FACT, Disruption.NONE, False, None)


@dataclass(frozen=True)
class GpuDriver:
    """The NVIDIA driver with open kernel modules, from one declared source, held as a set."""

    source: str | None = role_input()
    """"nvidia" (its own repository), "ubuntu" (the archive's packages) or "existing" (only checked)."""
    branch: str | Unknown | None = setting(Disruption.DRIVER)
    """The driver branch, "580"; observed: of the installed packages, else of the loaded module."""
    version: Setting | Later | Unknown | None = setting(Disruption.DRIVER)
    """Declared: the installed packages' version ("580.95.05"); effective: the loaded kernel module's."""
    open_modules: bool | Unknown | Later | None = outcome(Disruption.DRIVER)
    """The loaded kernel module is the open one; Blackwell runs with no other."""
    held: Mapping[str, bool] | Later | Unknown | None = outcome()
    """apt hold by package: driver, module and userland packages that are installed."""
    pinned: bool | Unknown | None = setting()
    """An apt pin keeps the branch (the pinning package, or our preferences file)."""
    automatic_upgrades_blocked: bool | Unknown | None = setting()
    """unattended-upgrades is told to leave the driver's packages alone."""
    nouveau_blocked: bool | Unknown | None = setting(Disruption.REBOOT)
    """The nouveau module is kept from loading."""
    persistence_daemon: Unit | Later | Unknown | None = setting()
    """nvidia-persistenced.service."""
    cards: Mapping[str, bool] | Later | Unknown | None = outcome(Disruption.DRIVER)
    """Cards by UUID that the driver shows. A card of the last receipt that is gone is drift."""
    repository_url: str | None = role_input()
    repository_key_url: str | None = role_input()
    repository_key_fingerprint: str | None = role_input()


@dataclass(frozen=True)
class ContainerEngine:
    """A working Docker Engine (theirs, if they have one) and the NVIDIA Container Toolkit."""

    package: str | Unknown | None = setting(Disruption.DOCKER)
    """The engine's package: "docker.io" or "docker-ce". An engine that is there is kept, whichever it is."""
    engine_version: str | Unknown | None = fact()
    service: Unit | Unknown | None = setting(Disruption.DOCKER)
    """docker.service."""
    toolkit: bool | Unknown | None = setting()
    """nvidia-container-toolkit is installed."""
    toolkit_version: str | Unknown | None = fact()
    daemon: Mapping[str, Any] | Unknown | None = setting(Disruption.DOCKER)
    """Keys merged into /etc/docker/daemon.json, by dotted path ("runtimes.nvidia.path"). Others are left alone."""
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
    enforced_watts: Mapping[str, int] | Unknown | None = fact()
    boot_unit: Unit | Later | Unknown | None = setting()
    """glmprov-gpu-power.service: after nvidia-persistenced and PartOf it, before every backend."""


@dataclass(frozen=True)
class HostTuning:
    """Kernel command line, module options, sysctl, governor, PCIe ACS, limits."""

    kernel_arguments: Mapping[str, Setting] | Unknown | None = setting(Disruption.REBOOT)
    """By name; a flag without a value is "". Declared: the boot loader's configuration; effective: /proc/cmdline."""
    module_options: Mapping[str, Setting] | Unknown | None = setting(Disruption.REBOOT)
    """By "module.option". Declared: modprobe.d; effective: /sys/module or /proc/driver/nvidia/params."""
    sysctl: Mapping[str, Setting] | Unknown | None = setting()
    """Declared: /etc/sysctl.d/90-glmprov.conf (or what overrides it); effective: /proc/sys."""
    cpu_governor: Setting | Unknown | None = setting()
    """Declared: /etc/glmprov/host-tuning.conf, read by the boot unit; effective: scaling_governor of all CPUs."""
    acs_disabled: Mapping[str, Setting] | Unknown | None = setting()
    """PCIe ACS is off, by bus id of the bridge above our cards. Declared: host-tuning.conf; effective: config space."""
    boot_unit: Unit | Unknown | None = setting()
    """glmprov-host-tuning.service: sets governor and ACS at boot, before every backend."""
    limits: Mapping[str, str] | Unknown | None = setting()
    """/etc/security/limits.d/90-glmprov.conf by item ("memlock": "unlimited")."""


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


SECTIONS: tuple[str, ...] = tuple(f.name for f in fields(HostState))
"""Names of the sections, in the order in which they are applied."""

SECTION_TYPES: Mapping[str, type[Any]] = {
    "gpu_driver": GpuDriver,
    "container_engine": ContainerEngine,
    "gpu_power": GpuPower,
    "host_tuning": HostTuning,
    "nccl_env": NcclEnv,
}


def kind_of(a_field: Field[Any]) -> Kind:
    """Return what a section's field is to plan, role and audit."""
    return Kind(a_field.metadata["kind"])


def role_options(section: str) -> tuple[str, ...]:
    """Return the fields of a section that are options of its role."""
    return tuple(f.name for f in fields(SECTION_TYPES[section]) if kind_of(f) in (Kind.SETTING, Kind.INPUT))


def role_variables(state: HostState) -> dict[str, Any]:
    """Return the variables that bring a host to the expected state, by the roles' names for them.

    A Setting becomes its declared value, a Unit a dict; what is None or Later is left to the role's default.
    """
    variables: dict[str, Any] = {}
    for section in SECTIONS:
        expected = getattr(state, section)
        if expected is None:
            continue
        for option in role_options(section):
            value = getattr(expected, option)
            if value is not None and not isinstance(value, Later):
                variables[f"{section}_{option}"] = _plain(value)
    return variables


def _plain(value: Any) -> Any:
    if isinstance(value, Setting):
        return value.declared
    if isinstance(value, Unit):
        return {"enabled": value.enabled, "active": value.active}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value
