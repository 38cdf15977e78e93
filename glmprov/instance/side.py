"""What is known of a host when an instance is planned. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from glmprov.instance.model import Taken
from glmprov.observation import Observation
from glmprov.topology import NamedSets

MODELS = "/var/lib/glmprov/models"
"""Where weights lie on a host whose inventory doesn't say."""


@dataclass(frozen=True)
class HostSide:
    """What is known of a host when an instance is planned.

    taken is what its other instances have; listening names who listens at a port; busy who holds a card's memory
    that is none of ours, by UUID. provision is the command that brings the host to its plan.
    """

    observation: Observation
    taken: tuple[Taken, ...] = ()
    listening: Mapping[int, str] = field(default_factory=dict)
    busy: Mapping[str, str] = field(default_factory=dict)
    named: NamedSets = field(default_factory=dict)
    models: str = MODELS
    provision: str = "glmprov provision"

    def others(self, name: str) -> tuple[Taken, ...]:
        """Return what instances of other names have."""
        return tuple(other for other in self.taken if other.name != name)
