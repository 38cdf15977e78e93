"""The classes of a saved plan: a published contract, from which docs/schemas/saved-plan-1.json is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from glmprov.drift import Verdict
from glmprov.inventory.commit import Commit
from glmprov.state import Disruption, Manage


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Change(_Part):
    """One key that is not as planned."""

    key: str
    """"section.field[item].part", as `plan` and `audit` spell it."""
    verdict: Verdict
    expected: Any
    observed: Any
    disruption: Disruption
    """What the change interrupts."""
    manage: Manage
    """Whether provisioning changes the key, or only reports it."""
    pending_reboot: bool
    """Declared as it should be; only a reboot is missing."""
    reason: str


class Machine(_Part):
    """What a plan takes for granted of a host. Nothing that changes by itself is in it."""

    hostname: str
    distribution: str
    release: str
    architecture: str
    kernel: str
    virtualization: str | None
    secure_boot: Any
    pci_cards: Mapping[str, str]
    """Device id by bus id, of every NVIDIA card on the PCI bus."""
    gpus: tuple[str, ...] | None
    """UUIDs of the cards that the driver shows; null while no driver answers."""
    receipt: str | None
    """sha256 of the receipt of what was applied before; null on a host without one."""


class Failure(_Part):
    """Why a host could not be planned."""

    kind: str
    message: str
    place: str | None
    next_step: str | None


class SavedHost(_Part):
    """One host: what it was, what the inventory said of it, and what was decided."""

    host: str
    settings: Mapping[str, Any]
    """The inventory's values, by variable."""
    error: Failure | None = None
    """Why there is no plan for it; then all that follows is empty."""
    machine: Machine | None = None
    expected: Mapping[str, Any] = {}
    """What the host should be, by section; null where a section or a field is left alone."""
    reasons: Mapping[str, str] = {}
    """Why a value is expected, by key, by key without its part, or by field."""
    notes: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()


class SavedPlan(_Part):
    """A plan for some hosts of one inventory, by one version of the program."""

    schema_name: Literal["glmprov/saved-plan/1"] = Field(alias="schema")
    id: str
    """sha256 of everything else in the document."""
    made_at: str
    by: str
    controller: str
    glmprov_version: str
    inventory: tuple[str, ...]
    """Where it lay, as absolute paths or lists of hosts."""
    commits: tuple[Commit, ...]
    """Git commits that the inventory was read from; none where it isn't in a repository."""
    hosts: tuple[SavedHost, ...]

    @property
    def name(self) -> str:
        """The id as a person says it."""
        return self.id[:12]
