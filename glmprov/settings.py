"""What an operator may write about a host in the inventory: validated at the border, with all faults at once.

A variable is named <section>_<option>, as the role's. What isn't written is decided by the plan; in a
mapping, a key that is written wins over the plan's, and a key with an empty value (null) is left alone.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from glmprov.errors import InventoryError
from glmprov.state import SECTIONS, role_options


def _text(value: Any) -> Any:
    """Return a whole number as text.

    True, false and 580.10 have lost how they were written, and stay to be refused.
    """
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _switch(value: Any) -> Any:
    """Return a switch as text: modules and sysctl know 1 and 0."""
    return str(int(value)) if isinstance(value, bool) else _text(value)


def _number(value: Any) -> Any:
    """Return the number that text from an ini file means; leave what is none for the type to refuse."""
    return int(value) if isinstance(value, str) and re.fullmatch(r"\s*\d+\s*", value) else value


def _arguments(value: Any) -> Any:
    """Return a kernel command line as a mapping; a flag without a value is ""."""
    if not isinstance(value, str):
        return value
    return {name: text for name, _, text in (word.partition("=") for word in shlex.split(value))}


def _no_level_number(env: dict[str, str | None]) -> dict[str, str | None]:
    """Refuse numbers as levels: NCCL maps 0-5 to LOC, PIX, PXB, PHB, SYS, SYS, not as tables on the web say.

    Source: NVIDIA/nccl, src/graph/paths.cc, levelsOldToNew.
    """
    names = ("LOC", "PIX", "PXB", "PHB", "SYS", "SYS")
    for name, value in env.items():
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
            raise ValueError(f"{name!r} is no name of a variable")
        if value is not None and "\n" in value:
            raise ValueError(f"{name} has more than one line")
        if name.endswith("_LEVEL") and value is not None and value.isdigit():
            level = names[min(int(value), len(names) - 1)]
            raise ValueError(f"{name} wants a level by name: NCCL takes {value} as {level}")
    return env


Text = Annotated[str, BeforeValidator(_text)]
Switch = Annotated[str, BeforeValidator(_switch)]
Watts = Annotated[int, BeforeValidator(_number), Field(gt=0, strict=True)]
Branch = Annotated[str, BeforeValidator(_text), Field(pattern=r"^\d{3}$")]
Version = Annotated[str, Field(pattern=r"^\d{3}(\.\d+){1,2}$")]
Url = Annotated[str, Field(pattern=r"^(https?|file)://")]
Fingerprint = Annotated[
    str,
    BeforeValidator(lambda value: value.replace(" ", "") if isinstance(value, str) else value),
    Field(pattern=r"^[0-9A-Fa-f]{40}$"),
]
CardUuid = Annotated[str, Field(pattern=r"^GPU-[0-9a-fA-F-]{36}$")]
Bus = Annotated[str, Field(pattern=r"^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$")]
KernelArguments = Annotated[
    dict[str, Annotated[str, BeforeValidator(_text)] | None], BeforeValidator(_arguments)
]
SysctlName = Annotated[str, Field(pattern=r"^[a-z0-9_-]+([./][A-Za-z0-9_-]+)+$")]
ModuleOption = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_]+$")]


def _option(wants: str, default: str, meaning: str) -> Any:
    """Declare a setting: what it wants and its default in words, for messages and for docs/settings.md."""
    return Field(default=None, description=meaning, json_schema_extra={"wants": wants, "default": default})


class Section(BaseModel):
    """The settings of one section. None: not written, so the plan decides."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


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
    repository_url: Url | None = _option("a URL", "NVIDIA's, by the role", "Package source of the driver.")
    repository_key_url: Url | None = _option("a URL", "NVIDIA's, by the role", "Key that signs it.")
    repository_key_fingerprint: Fingerprint | None = _option(
        "a key fingerprint of 40 hex digits", "NVIDIA's, by the role", "Fingerprint that the key must have."
    )


class ContainerEngineSettings(Section):
    """Settings of container_engine."""

    package: Literal["docker.io", "docker-ce"] | None = _option(
        "docker.io or docker-ce",
        "docker.io",
        "The engine to install where none is there. An engine that is there is kept.",
    )
    daemon: dict[str, Any] | None = _option(
        'a mapping of dotted keys ("log-opts.max-size": 10m)',
        "runtimes.nvidia.path, exec-opts",
        "Keys merged into /etc/docker/daemon.json.",
    )
    toolkit_repository_url: Url | None = _option(
        "a URL", "NVIDIA's, by the role", "Package source of the toolkit."
    )
    toolkit_repository_key_url: Url | None = _option("a URL", "NVIDIA's, by the role", "Key that signs it.")
    toolkit_repository_key_fingerprint: Fingerprint | None = _option(
        "a key fingerprint of 40 hex digits", "NVIDIA's, by the role", "Fingerprint that the key must have."
    )


class GpuPowerSettings(Section):
    """Settings of gpu_power."""

    limit_watts: Watts | dict[CardUuid, Watts | None] | None = _option(
        "a whole number of watts, or a mapping of card UUID to watts",
        "400 as a cap on cards that we know",
        "Power limit. A number is an order for every card that we know, a mapping for the cards it names.",
    )


class HostTuningSettings(Section):
    """Settings of host_tuning."""

    kernel_arguments: KernelArguments | None = _option(
        'a command line ("iommu=pt quiet") or a mapping of name to value',
        "iommu=pt on bare metal with two cards or more",
        "Kernel arguments. Others stay as they are.",
    )
    module_options: dict[ModuleOption, Switch | None] | None = _option(
        'a mapping of module.option to value ("nvidia_uvm.uvm_disable_hmm": 1)',
        "nvidia_uvm.uvm_disable_hmm=1 with two cards or more",
        "Options of kernel modules.",
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
        "true on bare metal with two cards or more, none of them given to a virtual machine",
        "PCIe ACS off on the bridges above our cards. false leaves it alone.",
    )
    limits: dict[str, Text | None] | None = _option(
        'a mapping of item to value ("memlock": unlimited)', "memlock unlimited", "Limits of login sessions."
    )


class NcclEnvSettings(Section):
    """Settings of nccl_env."""

    profile: Literal["latency", "throughput", "published", "none"] | None = _option(
        "latency, throughput, published or none",
        "latency",
        "What the host's default NCCL environment is made for.",
    )
    env: Annotated[dict[str, Text | None], AfterValidator(_no_level_number)] | None = _option(
        'a mapping of variable to value ("NCCL_DEBUG": INFO)',
        "by profile and topology",
        "Variables that win over the profile's.",
    )


class HostSettings(BaseModel):
    """Everything that the inventory says about one host.

    ignored: variables of ours that only the plan decides.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str
    gpu_driver: GpuDriverSettings = GpuDriverSettings()
    container_engine: ContainerEngineSettings = ContainerEngineSettings()
    gpu_power: GpuPowerSettings = GpuPowerSettings()
    host_tuning: HostTuningSettings = HostTuningSettings()
    nccl_env: NcclEnvSettings = NcclEnvSettings()
    ignored: tuple[str, ...] = ()

    def written(self) -> dict[str, Any]:
        """Return what was written, by the variables' names: for the receipt."""
        return {
            f"{section}_{option}": value
            for section in SECTIONS
            for option, value in getattr(self, section).model_dump(exclude_none=True).items()
        }


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


def from_variables(host_name: str, variables: Mapping[str, Any], source: str = "") -> HostSettings:
    """Given a host's variables as Ansible reads them, return its settings.

    Raise InventoryError with every fault, each with its variable, if one of ours is misspelt or of the wrong
    type.
    """
    faults = [*_misspelt(variables), *_templates(variables)]
    sections: dict[str, Section] = {}
    for section, model in MODELS.items():
        written = {
            VARIABLES[name][1]: value
            for name, value in variables.items()
            if VARIABLES.get(name, ("",))[0] == section
        }
        try:
            sections[section] = model.model_validate(written)
        except ValidationError as error:
            faults.extend(_faults(section, written, error))
    if faults:
        raise InventoryError(
            "\n".join(faults),
            host=host_name,
            place=source or None,
            next_step="see docs/settings.md for every variable",
        )
    ignored = tuple(sorted(name for name in variables if name in PLANNED))
    return HostSettings.model_validate({"host": host_name, "ignored": ignored, **sections})


def _misspelt(variables: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(variables):
        if name in VARIABLES or name in PLANNED:
            continue
        ours = next((section for section in SECTIONS if name.startswith(f"{section}_")), None)
        if ours is None:
            nearest = difflib.get_close_matches(name, VARIABLES, n=1, cutoff=0.92)
        else:
            option = name.removeprefix(f"{ours}_")
            nearest = [
                f"{ours}_{near}" for near in difflib.get_close_matches(option, MODELS[ours].model_fields, n=1)
            ]
        if nearest:
            yield f"{name}: no such setting; did you mean {nearest[0]}?"
        elif ours:
            options = ", ".join(f"{ours}_{option}" for option in MODELS[ours].model_fields)
            yield f"{name}: no such setting; there are {options}"


def _templates(variables: Mapping[str, Any]) -> Iterator[str]:
    for name in VARIABLES:
        if "{{" in str(variables.get(name, "")):
            yield f"{name}: holds a template ({{{{ … }}}}), which isn't filled in here; write the value"


def _faults(section: str, written: Mapping[str, Any], error: ValidationError) -> Iterator[str]:
    """Yield one line for each variable that is wrong, in our words and not in pydantic's."""
    told: set[str] = set()
    for item in error.errors():
        option = str(item["loc"][0])
        if option in told:
            continue
        told.add(option)
        value = written[option]
        if item["type"] == "value_error":
            yield f"{section}_{option}: {item['msg'].removeprefix('Value error, ')}"
        else:
            wants = wanted(section, option)
            yield f"{section}_{option}: wants {wants}, got {_shown(value)}"


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"


def wanted(section: str, option: str) -> str:
    """Return in words what a setting wants."""
    return str(_words(section, option)["wants"])


def _words(section: str, option: str) -> Mapping[str, Any]:
    extra = MODELS[section].model_fields[option].json_schema_extra
    return extra if isinstance(extra, dict) else {}


def table() -> str:
    """Return every setting as Markdown: the text of docs/settings.md."""
    rows = [
        "# Settings\n",
        "Made from `glmprov/settings.py`. What may be written about a host in the inventory, in group_vars",
        "or in host_vars. What isn't written is decided by the plan. In a mapping, a key that is written",
        "wins over the plan's; a key with an empty value (`null`) is left alone. Every other option of our roles",
        "is decided by the plan and ignored here, with a note in the plan.\n",
        "| variable | wants | default | meaning |",
        "| --- | --- | --- | --- |",
    ]
    for name, (section, option) in VARIABLES.items():
        words, meaning = _words(section, option), MODELS[section].model_fields[option].description
        rows.append(f"| `{name}` | {words['wants']} | {words['default']} | {meaning} |")
    return "\n".join(rows) + "\n"
