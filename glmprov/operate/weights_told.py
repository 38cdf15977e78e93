"""What a host tells of a model's weights: what is there, what is missing, how far a transfer is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from glmprov.sizes import in_words


@dataclass(frozen=True)
class Weights:
    """What a host has of a model. Paths are relative to folder.

    wrong are files of another size, with that size; unverified those of the right size whose sum nobody has taken
    since they were last changed; needed_bytes is what a fetch would add to the disk. lent: the login may still write
    there, since a copy was killed.
    """

    folder: str
    missing: tuple[str, ...] = ()
    wrong: Mapping[str, int] = field(default_factory=dict)
    unverified: tuple[str, ...] = ()
    needed_bytes: int = 0
    free_bytes: int = 0
    lent: bool = False

    @property
    def complete(self) -> bool:
        """Whether every file is there with the right size."""
        return not self.missing and not self.wrong

    @property
    def verified(self) -> bool:
        """Whether every file is there with the right sum."""
        return self.complete and not self.unverified


@dataclass(frozen=True)
class Progress:
    """How far a download, a copy or a verification is."""

    doing: str
    files: int
    files_done: int
    bytes_done: int
    bytes_total: int

    def __str__(self) -> str:
        sizes = f"{in_words(self.bytes_done)} of {in_words(self.bytes_total)}"
        return f"{self.doing} weights: {sizes}, {self.files_done} of {self.files} files"


@dataclass(frozen=True)
class Stored:
    """A revision that lies in a host's model store. partly: some of it is still under way, or was given up."""

    model: str
    revision: str
    size_bytes: int
    partly: bool


Heard = Callable[[Progress], object]
