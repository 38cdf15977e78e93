"""What a recipe was resolved to: the image behind its tag, the model behind its revision, file by file. Pure.

A lock is for one recipe; lock_file.py keeps those of a folder in one file.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from glmprov.errors import MovedOnError
from glmprov.recipe.image_name import image_name
from glmprov.recipe.launch import Launch
from glmprov.recipe.model import Recipe

SHARD_SUFFIX = ".safetensors"
OTHER_WEIGHTS = (".bin", ".pt", ".pth", ".gguf", ".onnx", ".h5", ".msgpack")
"""Weights in other forms, which a repository may hold beside safetensors: not fetched then."""


@dataclass(frozen=True)
class ImageLock:
    """An image as it was resolved. asked is the recipe's own name for it.

    config is its configuration's digest (Docker's image id in its classic store), None where no registry told it.
    """

    asked: str
    digest: str
    platform: str
    config: str | None = None
    compressed_bytes: int | None = None

    @property
    def pinned(self) -> str:
        """The name to pull and to run: by digest."""
        return f"{image_name(self.asked).repository}@{self.digest}"


@dataclass(frozen=True)
class FileLock:
    """A file of a model. path is relative to the model's folder.

    sha256 is known of large files; of small ones the hub knows git_sha1, which is taken with a header before it.
    """

    path: str
    size_bytes: int
    sha256: str | None = None
    git_sha1: str | None = None

    @property
    def is_shard(self) -> bool:
        """Whether it holds weights."""
        return self.path.endswith(SHARD_SUFFIX)


@dataclass(frozen=True)
class ModelLock:
    """A model as it was resolved. revision is a commit; asked the revision that the recipe names, if it does."""

    id: str
    revision: str
    files: tuple[FileLock, ...]
    asked: str | None = None

    @property
    def shards(self) -> tuple[FileLock, ...]:
        """The files with weights."""
        return tuple(file for file in self.files if file.is_shard)

    @property
    def size_bytes(self) -> int:
        """All files together."""
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True)
class RecipeLock:
    """What one recipe was resolved to, when, by which host's Docker and which hub. image None: it runs without one."""

    recipe: str
    model: ModelLock
    image: ImageLock | None
    resolved: datetime.datetime
    host: str = ""
    hub: str = ""


def wanted_files(files: Iterable[FileLock]) -> tuple[FileLock, ...]:
    """Return what of a repository is fetched, by path: no hidden files, and weights in one form only."""
    shown = sorted(
        (file for file in files if not any(part.startswith(".") for part in file.path.split("/"))),
        key=lambda file: file.path,
    )
    if not any(file.is_shard for file in shown):
        return tuple(shown)
    return tuple(file for file in shown if not file.path.endswith(OTHER_WEIGHTS))


def moved(lock: RecipeLock, recipe: Recipe, launch: Launch | None = None) -> tuple[str, ...]:
    """Return what the recipe asks for now and the lock wasn't made for, a sentence each.

    launch is the form that is started, the corrected one if none is given.
    """
    return tuple(_moved(lock, recipe, launch or recipe.corrected))


def require(lock: RecipeLock | None, recipe: Recipe, launch: Launch | None = None) -> RecipeLock:
    """Return the lock if it is one for this recipe as it stands. Raise MovedOnError saying what moved."""
    faults = ("it isn't locked",) if lock is None else moved(lock, recipe, launch)
    if lock is None or faults:
        raise MovedOnError(
            "\n".join(faults), place=recipe.name, next_step=f"glmprov recipe lock {recipe.name}"
        )
    return lock


def _moved(lock: RecipeLock, recipe: Recipe, launch: Launch) -> Iterator[str]:
    if lock.model.id != recipe.model:
        yield f"it is locked for the model {lock.model.id}, the recipe asks for {recipe.model}"
    elif recipe.revision not in (lock.model.asked, lock.model.revision):
        before, now = lock.model.asked or "the newest revision", recipe.revision or "the newest"
        yield f"it is locked for {before} of {lock.model.id}, the recipe asks for {now}"
    locked = lock.image.asked if lock.image else "no image"
    asked = launch.image or "no image"
    if locked != asked:
        yield f"it is locked for {locked}, the recipe asks for {asked}"
