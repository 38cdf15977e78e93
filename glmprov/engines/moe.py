"""The tuned file of an engine's fused-MoE kernel: its exact name, and where it must lie. Pure.

Both engines look it up by the card's name and by what one rank holds of the experts. What the names look like is data
in catalog/moe.yml.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

    Raise KeyError for an engine without such files, CatalogueError for what is no release.
    """
    naming = known()[engine]
    card = "".join("_" if each in naming["replaced"] else each for each in device)
    name = f"E={experts.count},N={experts.width},device_name={card}"
    if experts.kind.startswith("fp8"):
        name += ",dtype=fp8_w8a8"
    if experts.block:
        name += f",block_shape=[{experts.block}{naming['block_separator']}{experts.block}]"
    if experts.per_channel and _since("per_channel_from", engine, version):
        name += ",per_channel_quant=True"
    return f"{name}{'_down' if down else ''}.json"


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


def mount(launch: Launch, model: Model, device: str) -> Mount | None:
    """Return where a tuned file of one's own goes, so that the engine finds it. None: the engine looks for none.

    Raise CatalogueError for what is no release: the name depends on it.
    """
    experts, variable = experts_of(launch, model), engine_of(launch).moe_config_environment
    if experts is None or variable is None:
        return None
    folder = known()[launch.engine]["folder"]
    name = file_name(launch.engine, launch.version, experts, device)
    return Mount(variable, f"{folder}/{name}" if folder else name)


def _since(what: str, engine: str, version: str) -> bool:
    first = known()[engine][what]
    return first is not None and in_range(version, f">={first}")


@cache
def known() -> Mapping[str, Any]:
    """Return what moe.yml says of each engine that looks for such files."""
    engines: Mapping[str, Any] = read("moe.yml")["engines"]
    return engines
