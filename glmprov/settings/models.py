"""The settings of each section, with what each wants, its default and its meaning in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from glmprov.settings.manage import Words, by_key, known_keys
from glmprov.settings.sets import SETS
from glmprov.settings.types import (
    Branch,
    Bus,
    CardUuid,
    Daemon,
    Environment,
    Fingerprint,
    KernelArguments,
    ModuleOption,
    P2p,
    Switch,
    SysctlName,
    Text,
    Url,
    Version,
    Watts,
)
from glmprov.state import SECTIONS, Modes, role_options


def _option(wants: str, default: str, meaning: str) -> Any:
    """Declare a setting: what it wants and its default in words, for messages and for docs/settings.md."""
    return Field(default=None, description=meaning, json_schema_extra={"wants": wants, "default": default})


def _manage() -> Any:
    return _option(
        "enforce, audit or ignore, or a mapping of key to one of them ({default: enforce, sysctl: audit})",
        "enforce",
        "Brought to the plan, only reported, or neither looked at nor touched. A key is a field or one item of it, "
        "`sysctl[vm.swappiness]`; `default` is the rest of the section.",
    )


class Section(BaseModel):
    """The settings of one section. None: not written, so the plan decides."""

    # Built when first validated: most inventories say something of one or two sections.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)


class GpuDriverSettings(Section):
    """Settings of gpu_driver."""

    source: Literal["nvidia", "ubuntu", "existing"] | None = _option(
        "nvidia, ubuntu or existing",
        "nvidia; existing where a driver runs that no package owns",
        "Where the driver comes from. `existing` is only checked.",
    )
    branch: Branch | None = _option(
        'a driver branch ("580")',
        "what was applied, else what is installed and runs the cards, else 580",
        "The driver branch.",
    )
    version: Version | None = _option(
        'a driver version in quotes ("580.95.05")',
        "what was applied or is installed, else the newest",
        "One version of the branch.",
    )
    keep_previous: bool | None = _option(
        "true or false",
        "true",
        "Before an upgrade, keep the installed packages on the host; without them it is refused.",
    )
    rollback: bool | None = _option(
        "true or false",
        "what `provision --driver-rollback` or `--driver-forward` did last",
        "true: go back to the kept driver and stay there. false: go where branch and version say.",
    )
    repository_url: Url | None = _option("a URL", "NVIDIA's, by the role", "Package source of the driver.")
    repository_key_url: Url | None = _option("a URL", "NVIDIA's, by the role", "Key that signs it.")
    repository_key_fingerprint: Fingerprint | None = _option(
        "a key fingerprint of 40 hex digits", "NVIDIA's, by the role", "Fingerprint that the key must have."
    )
    manage: Annotated[Words, AfterValidator(known_keys("gpu_driver"))] | None = _manage()


class ContainerEngineSettings(Section):
    """Settings of container_engine."""

    package: Literal["docker.io", "docker-ce"] | None = _option(
        "docker.io or docker-ce",
        "docker.io",
        "The engine to install where none is there. An engine that is there is kept.",
    )
    daemon: Daemon | None = _option(
        'a mapping, nested or of dotted keys ("log-opts.max-size": 10m)',
        "runtimes.nvidia.path, exec-opts",
        "Keys merged into /etc/docker/daemon.json; an empty mapping adds none. One that is no longer written becomes "
        "what it was before us.",
    )
    toolkit_repository_url: Url | None = _option(
        "a URL", "NVIDIA's, by the role", "Package source of the toolkit."
    )
    toolkit_repository_key_url: Url | None = _option("a URL", "NVIDIA's, by the role", "Key that signs it.")
    toolkit_repository_key_fingerprint: Fingerprint | None = _option(
        "a key fingerprint of 40 hex digits", "NVIDIA's, by the role", "Fingerprint that the key must have."
    )
    manage: Annotated[Words, AfterValidator(known_keys("container_engine"))] | None = _manage()


class GpuPowerSettings(Section):
    """Settings of gpu_power."""

    limit_watts: Watts | dict[CardUuid, Watts | None] | None = _option(
        "a whole number of watts, or a mapping of card UUID to watts",
        "400 as a cap on cards that we know; it never raises",
        "Power limit. A number is an order for every card that we know, a mapping for the cards it names.",
    )
    budget_watts: Watts | None = _option(
        "a whole number of watts",
        "no budget",
        "What the limits of all cards may add up to. Caps are lowered evenly; an order above it is refused.",
    )
    manage: Annotated[Words, AfterValidator(known_keys("gpu_power"))] | None = _manage()


class HostTuningSettings(Section):
    """Settings of host_tuning."""

    kernel_arguments: KernelArguments | None = _option(
        'a command line ("iommu=pt quiet") or a mapping of name to value',
        "iommu=pt on bare metal with two cards or more",
        "Kernel arguments. Others stay as they are.",
    )
    module_options: dict[ModuleOption, Switch | None] | None = _option(
        'a mapping of option of an nvidia module to value ("nvidia_uvm.uvm_disable_hmm": 1)',
        "nvidia_uvm.uvm_disable_hmm=1 with two cards or more, if the driver has it",
        "Options of NVIDIA's kernel modules.",
    )
    sysctl: dict[SysctlName, Switch | None] | None = _option(
        'a mapping of name to value ("vm.swappiness": 0)',
        "vm.swappiness=0; kernel.numa_balancing=0 with two NUMA nodes or more",
        "Kernel settings at run time.",
    )
    cpu_governor: Text | None = _option(
        'a governor ("performance")', "performance, where the host has cpufreq", "CPU frequency governor."
    )
    acs_disabled: bool | dict[Bus, bool | None] | None = _option(
        "true, false, or a mapping of bridge bus id to true",
        "true on bare metal with two cards or more, where no virtual machines run",
        "PCIe ACS off on the bridges above our cards. false leaves it alone.",
    )
    limits: dict[str, Text | None] | None = _option(
        'a mapping of item to value ("memlock": unlimited)', "memlock unlimited", "Limits of login sessions."
    )
    p2p: P2p | None = _option(
        "off, auto or forced",
        "off",
        "Registry keys that make the driver do P2P through BAR1, for one-shot all-reduce. `auto`: where the topology "
        "needs them and all conditions hold; `forced`: refused where it can't work.",
    )
    manage: Annotated[Words, AfterValidator(known_keys("host_tuning"))] | None = _manage()


class NcclEnvSettings(Section):
    """Settings of nccl_env."""

    profile: Literal["latency", "throughput", "published", "none"] | None = _option(
        "latency, throughput, published or none",
        "latency",
        "What the host's default NCCL environment is made for.",
    )
    env: Environment | None = _option(
        'a mapping of variable to value ("NCCL_DEBUG": INFO)',
        "by profile and topology",
        "Variables that win over the profile's.",
    )
    manage: Annotated[Words, AfterValidator(known_keys("nccl_env"))] | None = _manage()


@dataclass(frozen=True)
class HostSettings:
    """Everything that the inventory says about one host.

    sets are cards by the name of their set; ignored: variables of ours that only the plan decides.
    """

    host: str
    gpu_driver: GpuDriverSettings
    container_engine: ContainerEngineSettings
    gpu_power: GpuPowerSettings
    host_tuning: HostTuningSettings
    nccl_env: NcclEnvSettings
    sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()

    @property
    def modes(self) -> Modes:
        """What may be done with each key."""
        said = {section: getattr(self, section).manage or {} for section in SECTIONS}
        return Modes(
            {key: word for section in SECTIONS for key, word in by_key(section, said[section]).items()}
        )

    def written(self) -> dict[str, Any]:
        """Return what was written, by the variables' names: for the receipt."""
        by_section = {
            f"{section}_{option}": value
            for section in SECTIONS
            for option, value in getattr(self, section).model_dump(exclude_none=True).items()
        }
        return by_section | ({SETS: {n: list(cards) for n, cards in self.sets.items()}} if self.sets else {})


MODELS: Mapping[str, type[Section]] = {
    "gpu_driver": GpuDriverSettings,
    "container_engine": ContainerEngineSettings,
    "gpu_power": GpuPowerSettings,
    "host_tuning": HostTuningSettings,
    "nccl_env": NcclEnvSettings,
}

VARIABLES: Mapping[str, tuple[str, str]] = {
    f"{section}_{option}": (section, option)
    for section, model in MODELS.items()
    for option in model.model_fields
}
"""Every variable that an operator may write, with its section and option."""

PLANNED = frozenset(f"{s}_{option}" for s in SECTIONS for option in role_options(s)) - frozenset(VARIABLES)
"""Options of the roles that the plan decides.

In an inventory they are for plain ansible-playbook; here they are ignored.
"""


def wanted(section: str, option: str) -> str:
    """Return in words what a setting wants."""
    return str(words(section, option)["wants"])


def words(section: str, option: str) -> Mapping[str, Any]:
    """Return what is said of a setting beside its meaning: wants and default."""
    extra = MODELS[section].model_fields[option].json_schema_extra
    return extra if isinstance(extra, dict) else {}
