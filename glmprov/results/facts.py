"""What `facts` shows, and every look begins with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from glmprov.errors import GlmprovError
from glmprov.observation import Observation


@dataclass(frozen=True)
class HostFacts:
    """A host as it is, or why it could not be read. named are the inventory's sets of cards.

    With both, the host was read, and the error is about what the inventory says of it.
    """

    host: str
    observation: Observation | None = None
    error: GlmprovError | None = None
    named: Mapping[str, Sequence[str]] = field(default_factory=dict)
