"""The sections of the instance scope: what one running backend is, once an instance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from glmprov.state.kinds import Disruption, fact, outcome, role_input
from glmprov.state.values import Unit, Unknown


@dataclass(frozen=True)
class EngineImage:
    """What the engine runs from: an image by digest. Brought about by an act, not by a role."""

    image: str | Unknown | None = outcome(Disruption.SERVICE)
    """The id of the image that the container was made of. Another digest is another id."""
    reference: str | None = fact()
    """The image's name as the unit has it, by digest."""


@dataclass(frozen=True)
class ModelStore:
    """The weights on the host. Brought about by an act, not by a role."""

    shards: Mapping[str, int] | Unknown | None = outcome(Disruption.SERVICE)
    """The size in bytes of each file with weights."""
    model: str | None = fact()
    revision: str | None = fact()
    folder: str | None = fact()


@dataclass(frozen=True)
class EngineService:
    """The unit and its files, and what of them is in force."""

    name: str | None = role_input()
    """The instance."""
    texts: Mapping[str, str] | None = role_input()
    """Unit, environment and gate by path, as they are written."""
    key_texts: Mapping[str, str] | None = role_input()
    """Files that only root reads, by path, with {key} where the API key goes. None: it asks for no key."""
    weights: str | None = role_input()
    """The folder of the weights, to which a link in the instance's own folder leads."""
    key: str | None = role_input()
    """The API key, where the person gives it: never kept in a receipt. None: the host's own, or one that it makes."""
    former_key: bool | None = role_input()
    """Go back to the key before the last change of it: what is put back is put back with its key."""
    unit: Unit | Unknown | None = outcome(Disruption.SERVICE)
    files: Mapping[str, str] | Unknown | None = outcome(Disruption.SERVICE)
    """sha256 sums of unit, environment and gate, by path."""
    environment: Mapping[str, str] | Unknown | None = outcome(Disruption.SERVICE)
    """The variables of the running process. What the image sets besides isn't compared."""
    restarts: int | Unknown | None = outcome(Disruption.SERVICE)
    """How often systemd has started it again since somebody did."""


@dataclass(frozen=True)
class InstanceState:
    """Every section of one instance."""

    engine_image: EngineImage | None = None
    model_store: ModelStore | None = None
    engine_service: EngineService | None = None


INSTANCE_SECTION_TYPES = {
    "engine_image": EngineImage,
    "model_store": ModelStore,
    "engine_service": EngineService,
}
