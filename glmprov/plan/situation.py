"""What every section's builder looks at, and what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from glmprov.hardware import Gpu
from glmprov.observation import Observation
from glmprov.receipt import Receipt
from glmprov.settings import HostSettings
from glmprov.state import HostState, Later, Setting, Unknown
from glmprov.topology import Topology

Expected = TypeVar("Expected")

AFTER_DRIVER = "known after the driver is installed"


@dataclass(frozen=True)
class Part(Generic[Expected]):
    """One section of a plan: what is expected, why, what a person should know, and what can't be done."""

    expected: Expected
    reasons: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class Situation:
    """The inventory's settings, the host as observed, and its topology."""

    settings: HostSettings
    observation: Observation
    topology: Topology

    @property
    def receipt(self) -> Receipt | None:
        """The record of what was applied, None if there is none that can be read."""
        receipt = self.observation.receipt
        return None if isinstance(receipt, Unknown) else receipt

    @property
    def applied(self) -> HostState:
        """What was applied before; nothing on a host without a receipt."""
        return self.receipt.expected if self.receipt else HostState()

    @property
    def gpus(self) -> tuple[Gpu, ...] | None:
        """The cards as NVML shows them, None while no driver answers."""
        gpus = self.observation.hardware.gpus
        return None if isinstance(gpus, Unknown) else gpus

    @property
    def installed_version(self) -> str | None:
        """The version of the installed driver packages."""
        return self._driver_version("declared")

    @property
    def loaded_version(self) -> str | None:
        """The version of the loaded kernel module."""
        return self._driver_version("effective")

    @property
    def driver_is_unowned(self) -> bool:
        """A driver is loaded that no package brought, and we neither."""
        driver = self.observation.state.gpu_driver
        version = driver.version if driver else None
        packaged = not isinstance(version, Setting) or version.declared is not None
        return self.loaded_version is not None and not packaged and self.applied.gpu_driver is None

    @property
    def bare_metal_with_several_cards(self) -> bool:
        """Cards reach each other over this host's own PCI bus."""
        return len(self.topology.cards) > 1 and self.topology.kind.value != "virtual machine"

    @property
    def virtual_machines(self) -> tuple[str, ...]:
        """What shows that virtual machines run here: the isolation of devices must stay."""
        return self.observation.hardware.virtual_machines

    def argument(self, name: str) -> str | None:
        """Return what the host's kernel command line says, the next boot's before this one's; None for nothing."""
        observed = self.observation.state.host_tuning
        arguments = observed.kernel_arguments if observed else None
        argument = arguments.get(name) if isinstance(arguments, Mapping) else None
        sides = (argument.declared, argument.effective) if isinstance(argument, Setting) else ()
        return next((str(side) for side in sides if side is not None and not isinstance(side, Unknown)), None)

    def later(self) -> Later:
        """Return the mark for what only a running driver tells, with what it waits for."""
        gpus = self.observation.hardware.gpus
        if isinstance(gpus, Unknown) and (self.installed_version or self.loaded_version):
            return Later(f"known when the driver answers: {gpus.reason}")
        return Later(AFTER_DRIVER)

    def _driver_version(self, part: str) -> str | None:
        driver = self.observation.state.gpu_driver
        version = driver.version if driver else None
        value = getattr(version, part) if isinstance(version, Setting) else None
        return value if isinstance(value, str) else None


def merged(planned: Mapping[str, Any], written: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the plan's mapping with the inventory's keys over it; a key written as None is left out."""
    both = {**planned, **(written or {})}
    return {key: value for key, value in both.items() if value is not None}


def reasons_for(
    field_key: str, planned: Mapping[str, str], written: Mapping[str, Any] | None
) -> dict[str, str]:
    """Return the reason of each item of a mapping field: the plan's, or "inventory"."""
    reasons = merged(planned, dict.fromkeys(written or {}, "inventory"))
    return {f"{field_key}[{name}]": reason for name, reason in reasons.items()}
