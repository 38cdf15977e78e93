"""The tuned file of an engine's fused-MoE kernel: its exact name, who ships it, and what happens without it. Pure.

Both engines look it up by the card's name and by what one rank holds of the experts. What the names look like, and
the tiles that are taken instead, are data in catalog/moe.yml.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from glmprov.catalog import read
from glmprov.catalog.models import Model
from glmprov.engines.meaning import engine_of
from glmprov.engines.version import in_range
from glmprov.recipe.launch import Launch

_LISTING = """\
import collections, importlib.util, json, pathlib, sys
found, spec = collections.defaultdict(list), importlib.util.find_spec(sys.argv[1])
for root in (spec.submodule_search_locations or ()) if spec else ():
    for path in sorted(pathlib.Path(root).rglob("configs/**/E=*.json")):
        found[str(path.parent)].append(path.name)
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Experts:
    """What one rank's kernel works on: E experts of width N; kind is "fp8", "fp8_block" or "bf16"."""

    count: int
    width: int
    kind: str
    block: int | None = None
    per_channel: bool = False


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


@dataclass(frozen=True)
class Mount:
    """Where a file of one's own must lie: file below the folder that the variable names."""

    variable: str
    file: str


def experts_of(launch: Launch, model: Model) -> Experts | None:
    """Return what one rank holds. None: dense, or a quantization that doesn't go through this kernel.

    SGLang counts GLM's shared expert as one more, unless told not to or with expert parallelism. Raise ValueError for
    a size that is no number.
    """
    kind = {"none": "bf16", "fp8_block": "fp8_block"}.get(model.quantization, "fp8")
    if not model.shape.experts or not model.quantization.startswith(("fp8", "none")):
        return None
    engine = engine_of(launch)
    tensor = max(1, engine.number(launch, "tensor_parallel"))
    if launch.engine == "sglang":
        groups = max(1, engine.number(launch, "expert_parallel"))
        told_not_to = "disable-shared-experts-fusion" in launch.arguments
        fused = (
            groups == 1 and not told_not_to and _since("shared_expert_from", launch.engine, launch.version)
        )
    else:
        switched = engine.given(launch, "expert_parallel") is True
        groups = tensor * max(1, engine.number(launch, "data_parallel")) if switched else 1
        fused = False
    return Experts(
        count=model.shape.experts // groups + (model.shape.shared_experts if fused else 0),
        width=model.shape.moe_intermediate // max(1, tensor // groups),
        kind=kind,
        block=model.block if kind == "fp8_block" else None,
        per_channel=model.quantization == "fp8_per_channel",
    )


def file_name(engine: str, version: str, experts: Experts, device: str, *, down: bool = False) -> str:
    """Return the exact name of the tuned file. device is the card's name as NVML gives it; down: for the second GEMM.

    Raise KeyError for an engine without such files.
    """
    naming = _engines()[engine]
    card = "".join("_" if each in naming["replaced"] else each for each in device)
    name = f"E={experts.count},N={experts.width},device_name={card}"
    if experts.kind.startswith("fp8"):
        name += ",dtype=fp8_w8a8"
    if experts.block:
        name += f",block_shape=[{experts.block}{naming['block_separator']}{experts.block}]"
    if experts.per_channel and _since("per_channel_from", engine, version):
        name += ",per_channel_quant=True"
    return f"{name}{'_down' if down else ''}.json"


def tiles(engine: str, version: str, experts: Experts) -> tuple[Tile, ...]:
    """Return the tiles that a release takes without a tuned file, for small steps first. Empty: nobody read them."""
    release = next(
        (each for each in _engines()[engine]["tiles"] if in_range(version, each["versions"])), None
    )
    return () if release is None else tuple(_tiles(release[experts.kind], experts))


def outlook(
    launch: Launch, model: Model, device: str, shipped: Mapping[str, Sequence[str]]
) -> Outlook | None:
    """Return what a launch meets on a card. shipped: the release's own files, by folder. None: no such kernel."""
    experts = experts_of(launch, model)
    if experts is None or launch.engine not in _engines():
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


def listing_argv(engine: str) -> tuple[str, ...]:
    """Return the command that lists an image's tuned files, run inside it. It imports nothing of the engine."""
    return ("python3", "-c", _LISTING, engine)


def listing(text: str) -> Mapping[str, Sequence[str]]:
    """Return what that command printed: the files by folder. Raise ValueError if it is something else."""
    import json

    content = json.loads(text)
    if not isinstance(content, dict) or not all(isinstance(names, list) for names in content.values()):
        raise ValueError("no listing of tuned files")
    return content


def available_bytes() -> int:
    """Return the shared memory that a block can have on SM120."""
    found: int = read("moe.yml")["shared_memory_bytes"]
    return found


def mount(launch: Launch, model: Model, device: str) -> Mount | None:
    """Return where a tuned file of one's own goes, so that the engine finds it. None: the engine looks for none."""
    experts, variable = experts_of(launch, model), engine_of(launch).moe_config_environment
    if experts is None or variable is None:
        return None
    folder = _engines()[launch.engine]["folder"]
    name = file_name(launch.engine, launch.version, experts, device)
    return Mount(variable, f"{folder}/{name}" if folder else name)


def _since(what: str, engine: str, version: str) -> bool:
    first = _engines()[engine][what]
    return first is not None and in_range(version, f">={first}")


def _tiles(listed: Sequence[Mapping[str, Any]], experts: Experts) -> Iterator[Tile]:
    for each in listed:
        up_to = experts.count if each.get("up_to") == "experts" else each.get("up_to")
        yield Tile(each["m"], each["n"], each["k"], each["stages"], up_to)


@cache
def _engines() -> Mapping[str, Any]:
    engines: Mapping[str, Any] = read("moe.yml")["engines"]
    return engines
