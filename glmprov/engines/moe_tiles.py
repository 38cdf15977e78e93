"""What a launch meets on a card: the tuned file of its fused-MoE kernel, or the default tile, which may not fit. Pure.

The tiles that an engine takes without a tuned file are data in catalog/moe.yml.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from glmprov.catalog import read
from glmprov.catalog.models import Model
from glmprov.engines.moe import Experts, experts_of, file_name, known
from glmprov.engines.version import in_range
from glmprov.recipe.launch import Launch


@dataclass(frozen=True)
class Tile:
    """A tile of the kernel, taken for steps of at most up_to tokens; None: for all larger ones."""

    m: int
    n: int
    k: int
    stages: int
    up_to: int | None = None

    def shared_memory_bytes(self, element_bytes: int) -> int:
        """Return what a block of the kernel wants of the card's shared memory."""
        return (self.m * self.k + self.k * self.n) * (self.stages - 1) * element_bytes


@dataclass(frozen=True)
class Outlook:
    """What will happen. found is the folder of the release that ships the file; None: none does.

    wanted is the shared memory of the default tile that needs most, in bytes; from_tokens the size of a step from
    which on it is taken. None: nobody has read this release's tiles.
    """

    name: str
    experts: Experts
    found: str | None
    available: int
    wanted: int | None = None
    from_tokens: int = 0

    @property
    def crashes(self) -> bool | None:
        """Whether the default tile doesn't fit the card. None: it can't be known. False with a tuned file."""
        if self.found is not None:
            return False
        return None if self.wanted is None else self.wanted > self.available


def tiles(engine: str, version: str, experts: Experts) -> tuple[Tile, ...]:
    """Return the tiles that a release takes without a tuned file, for small steps first. Empty: nobody read them."""
    release = next((each for each in known()[engine]["tiles"] if in_range(version, each["versions"])), None)
    return () if release is None else tuple(_tiles(release[experts.kind], experts))


def outlook(
    launch: Launch, model: Model, device: str, shipped: Mapping[str, Sequence[str]]
) -> Outlook | None:
    """Return what a launch meets on a card. shipped: the release's own files, by folder. None: no such kernel."""
    experts = experts_of(launch, model)
    if experts is None or launch.engine not in known():
        return None
    name = file_name(launch.engine, launch.version, experts, device)
    found = next((folder for folder, names in shipped.items() if name in names), None)
    available = available_bytes()
    size = 1 if experts.kind.startswith("fp8") else 2
    taken = tiles(launch.engine, launch.version, experts)
    if not taken:
        return Outlook(name, experts, found, available)
    starts = (1, *((tile.up_to or 0) + 1 for tile in taken))
    wanted = [tile.shared_memory_bytes(size) for tile in taken]
    return Outlook(name, experts, found, available, max(wanted), starts[wanted.index(max(wanted))])


def tuned_tiles(text: str) -> tuple[Tile, ...]:
    """Return the tiles of a tuned file, as an engine reads them. Raise ValueError with what is wrong with it."""
    import json

    try:
        content = json.loads(text)
        listed = [each for key, each in content.items() if key != "triton_version"]
        return tuple(
            Tile(each["BLOCK_SIZE_M"], each["BLOCK_SIZE_N"], each["BLOCK_SIZE_K"], each.get("num_stages", 3))
            for each in listed
        )
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(f"no tuned file: {error}") from error
    except KeyError as error:
        raise ValueError(f"no tuned file: a tile without {error}") from error


def available_bytes() -> int:
    """Return the shared memory that a block can have on SM120."""
    found: int = read("moe.yml")["shared_memory_bytes"]
    return found


def _tiles(listed: Sequence[Mapping[str, Any]], experts: Experts) -> Iterator[Tile]:
    for each in listed:
        up_to = experts.count if each.get("up_to") == "experts" else each.get("up_to")
        yield Tile(each["m"], each["n"], each["k"], each["stages"], up_to)
