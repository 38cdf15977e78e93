"""What a host is set to: one frozen dataclass a section, filled twice.

The plan fills it with what is *expected*, the probe with what is *observed*; drift/ compares the two with one generic
walk, and `role_variables` flattens the expected one into the role's variables. A section's name is the dataclass'
field in HostState, the role in roles/, the prefix of the role's variables and the first word of an audit line.

Values:
  expected None    not managed, never compared
  expected Dropped was ours and is to be taken away: absent is right, or what was there before us
  expected Later   can't be known yet, with what it waits for; never compared, never given to a role
  observed None    absent on the host
  observed Unknown could not be read, with the reason: neither right nor wrong
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, fields
from typing import Any

from glmprov.state.as_found import Left, as_found, under
from glmprov.state.instance import (
    INSTANCE_SECTION_TYPES,
    EngineImage,
    EngineService,
    InstanceState,
    ModelStore,
)
from glmprov.state.kinds import Disruption, Kind, Manage
from glmprov.state.modes import Modes
from glmprov.state.sections import ContainerEngine, GpuDriver, GpuPower, HostState, HostTuning, NcclEnv
from glmprov.state.values import Dropped, Later, Setting, Unit, Unknown

__all__ = [
    "INSTANCE_SECTION_TYPES",
    "SECTIONS",
    "SECTION_TYPES",
    "ContainerEngine",
    "Disruption",
    "Dropped",
    "EngineImage",
    "EngineService",
    "GpuDriver",
    "GpuPower",
    "HostState",
    "HostTuning",
    "InstanceState",
    "Kind",
    "Later",
    "Left",
    "Manage",
    "ModelStore",
    "Modes",
    "NcclEnv",
    "Setting",
    "Unit",
    "Unknown",
    "as_found",
    "kind_of",
    "role_options",
    "role_variables",
    "under",
]

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
    kind: Kind = a_field.metadata["kind"]
    return kind


def role_options(section: str) -> tuple[str, ...]:
    """Return the fields of a section that are options of its role."""
    kinds = {**SECTION_TYPES, **INSTANCE_SECTION_TYPES}
    return tuple(f.name for f in fields(kinds[section]) if kind_of(f) in (Kind.SETTING, Kind.INPUT))


def role_variables(state: HostState | InstanceState) -> dict[str, Any]:
    """Return the variables that bring a host to the expected state, by the roles' names for them.

    A Setting becomes its declared value, a Unit a dict, what was dropped the value before us: null for none. A setting
    that is None is null, which a role leaves alone; what is Later, or an input that is None, is left to the role's
    default.
    """
    variables: dict[str, Any] = {}
    for section in (each.name for each in fields(state)):
        expected = getattr(state, section)
        if expected is None:
            continue
        for field in fields(expected):
            value, kind = getattr(expected, field.name), kind_of(field)
            given = kind is Kind.SETTING or (kind is Kind.INPUT and value is not None)
            if given and not isinstance(value, Later):
                variables[f"{section}_{field.name}"] = _plain(value)
    return variables


def _plain(value: Any) -> Any:
    if isinstance(value, Setting):
        return _plain(value.declared)
    if isinstance(value, Dropped):
        return value.back
    if isinstance(value, Unit):
        return {"enabled": value.enabled, "active": value.active}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return list(value)
    return value
