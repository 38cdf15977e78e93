"""Where weights come from: a hub, this machine, another host, or a folder that holds them already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from glmprov.errors import GlmprovError
from glmprov.inventory import Host
from glmprov.operate import copying, giving, hub, weights
from glmprov.operate.weights_failures import refuse_incomplete
from glmprov.operate.weights_told import Heard
from glmprov.recipe.lock import ModelLock
from glmprov.remote import Channel, ConnectOptions, connect
from glmprov.remote.resolve import resolve


class Source(Protocol):
    """Where weights come from. str() says it to a person."""

    def refuse_other_weights(self, channel: Channel, host: Host, model: ModelLock, folder: str) -> None:
        """Raise GlmprovError if what is missing in a host's folder can't be had here, as far as sizes tell."""

    def bring(self, channel: Channel, host: Host, model: ModelLock, folder: str, heard: Heard) -> int:
        """Bring what is missing to a host's folder; return how many files came. Raise GlmprovError if it can't be."""


@dataclass(frozen=True)
class FromHub:
    """The host fetches from a model hub."""

    url: str

    def __str__(self) -> str:
        return self.url

    def refuse_other_weights(self, channel: Channel, host: Host, model: ModelLock, folder: str) -> None:
        """A hub says what it lacks when it is asked for it."""

    def bring(self, channel: Channel, host: Host, model: ModelLock, folder: str, heard: Heard) -> int:
        """Let the host fetch."""
        return weights.download(channel, host.name, model, folder, self.url, hub.token(), heard)


@dataclass(frozen=True)
class FromHere:
    """A folder of this machine, by rsync."""

    folder: Path
    options: ConnectOptions

    def __str__(self) -> str:
        return f"{self.folder} on this machine"

    def refuse_other_weights(self, channel: Channel, host: Host, model: ModelLock, folder: str) -> None:
        """Hold the folder's sizes against the lock; rsync must be there on both sides."""
        copying.refuse_other_folder(model, self.folder)
        copying.refuse_without_rsync(channel, host.name)

    def bring(self, channel: Channel, host: Host, model: ModelLock, folder: str, heard: Heard) -> int:
        """Copy from here."""
        return copying.from_here(host, self.options, model, self.folder, folder, heard)


@dataclass(frozen=True)
class FromHost:
    """A folder of another host, straight from host to host."""

    giver: Host
    folder: str
    options: ConnectOptions

    def __str__(self) -> str:
        return f"{self.giver.name}:{self.folder}"

    def refuse_other_weights(self, channel: Channel, host: Host, model: ModelLock, folder: str) -> None:
        """Hold the other host's folder against the lock."""
        with self._named(), connect(self.giver, self.options) as giver:
            giving.refuse_other_weights(giver, self.giver.name, model, self.folder)

    def bring(self, channel: Channel, host: Host, model: ModelLock, folder: str, heard: Heard) -> int:
        """Copy from host to host."""
        name, addresses = self.giver.name, self._addresses()
        with self._named(), connect(self.giver, self.options) as giver:
            return giving.from_host(
                channel, host.name, giver, name, addresses, model, self.folder, folder, heard
            )

    def _addresses(self) -> tuple[str, ...]:
        """Return what SSH connects to: it may be what the other hosts reach too."""
        return () if self.giver.is_local else (resolve(self.giver, self.options).hostname,)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Let an error of the giver's say whose it is: it is told of the host that is deployed."""
        try:
            yield
        except GlmprovError as error:
            if error.host in (None, self.giver.name):
                error.host, error.place = None, f"weights from {self}"
            raise


@dataclass(frozen=True)
class InPlace:
    """A folder on the host that holds the model already; nothing is added to it."""

    def __str__(self) -> str:
        return "there already"

    def refuse_other_weights(self, channel: Channel, host: Host, model: ModelLock, folder: str) -> None:
        """Refuse whatever is missing."""
        seen = weights.look(channel, host.name, model, folder)
        next_step = "complete the folder, or leave it out: then the weights are fetched"
        refuse_incomplete(seen, host.name, model, next_step)

    def bring(self, channel: Channel, host: Host, model: ModelLock, folder: str, heard: Heard) -> int:
        """Refuse whatever is missing."""
        self.refuse_other_weights(channel, host, model, folder)
        return 0
