"""What of the weights is to come from where, before anybody is asked."""

from __future__ import annotations

from dataclasses import dataclass

from glmprov.actions.deploy.sources import FromHub, Source
from glmprov.inventory import Host
from glmprov.operate import weights
from glmprov.operate.weights_failures import refuse_if_too_small
from glmprov.recipe.lock import ModelLock
from glmprov.remote import Channel
from glmprov.sizes import in_words


@dataclass(frozen=True)
class Ahead:
    """What a host lacks of a model in a folder, and where it comes from. offer is a host that has it all."""

    source: Source
    model: ModelLock
    folder: str
    files: int = 0
    size_bytes: int = 0
    offer: str = ""

    def __str__(self) -> str:
        if not self.files:
            return "weights: all files are there"
        how = "fetched" if isinstance(self.source, FromHub) else "copied"
        said = f"weights: {self.files} files, {in_words(self.size_bytes)}, are {how} from {self.source}"
        return f"{said}; {self.offer} has them: --weights-from {self.offer}" if self.offer else said


def look_ahead(channel: Channel, host: Host, source: Source, model: ModelLock, folder: str) -> Ahead:
    """Return what a host lacks. Raise GlmprovError if there is no room for it, or it can't be had where it is said."""
    have = weights.look(channel, host.name, model, folder)
    if not have.complete:
        source.refuse_other_weights(channel, host, model, folder)
        refuse_if_too_small(have, host.name, model)
    return Ahead(source, model, folder, len(have.missing) + len(have.wrong), have.needed_bytes)
