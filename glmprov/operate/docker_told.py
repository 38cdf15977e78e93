"""What Docker tells of itself, of images, and of a pull that is under way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from glmprov.catalog import read
from glmprov.errors import FetchError
from glmprov.recipe.image_name import ImageName
from glmprov.sizes import in_words


@dataclass(frozen=True)
class Image:
    """An image that a host has. id is its configuration's digest (Docker's classic store) or its manifest's."""

    id: str
    digests: tuple[str, ...] = ()
    """As "name@sha256:…"; none for an image that was loaded from a file or built."""
    tags: tuple[str, ...] = ()
    created: str = ""
    size_bytes: int = 0
    platform: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    used_by: tuple[str, ...] = ()
    """Containers made of it, running or not. Only where images are listed."""

    def is_from(self, name: ImageName) -> bool:
        """Say whether it came from the registry under the name's digest."""
        return any(digest.endswith(f"@{name.digest}") for digest in self.digests) or self.id == name.digest


@dataclass(frozen=True)
class Resolved:
    """What a registry holds under a name. The counts and the configuration are None where it doesn't tell: unknown."""

    name: ImageName
    """With the digest."""
    platform: str
    config: str | None = None
    layers: int | None = None
    compressed_bytes: int | None = None
    unknown: str = ""


@dataclass(frozen=True)
class Daemon:
    """The Docker daemon: version, where it keeps images, and the room there."""

    version: str
    root: str
    free_bytes: int
    mirrors: tuple[str, ...] = ()

    def refuse_if_too_small(self, image: str, compressed_bytes: int | None, host: str) -> None:
        """Raise FetchError if an image that the host hasn't got won't fit, packed and unpacked.

        What its registry doesn't tell isn't guessed: then Docker itself says so in the middle.
        """
        if compressed_bytes is None:
            return
        factor = read("storage.yml")["image_unpacked_factor"]["value"]
        needed_bytes = compressed_bytes * (1 + factor)
        if self.free_bytes < needed_bytes:
            raise FetchError(
                f"{image} needs about {in_words(needed_bytes)} in {self.root}: "
                f"{in_words(compressed_bytes)} packed, {factor:g} times that unpacked; "
                f"{in_words(self.free_bytes)} are free",
                host=host,
                place=self.root,
                next_step="make room there (`docker system df`, `glmprov prune`)",
            )


@dataclass(frozen=True)
class PullProgress:
    """How far a pull is. bytes_total grows while the daemon begins layers. by_layer: phase, bytes done, bytes total."""

    layers: int
    layers_done: int
    bytes_done: int
    bytes_total: int
    extracting: bool = False
    by_layer: Mapping[str, tuple[str, int, int]] = field(default_factory=dict)

    def __str__(self) -> str:
        doing = "unpacking" if self.extracting else "pulling"
        total = f" of {in_words(self.bytes_total)}" if self.bytes_total else ""
        return f"{doing}: {in_words(self.bytes_done)}{total}, {self.layers_done} of {self.layers} layers"
