"""The models that we know by their id on the hub: data in models.yml, read here. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from glmprov.catalog import read


@dataclass(frozen=True)
class Shape:
    """What a model is made of. latent_dim: elements a token and layer of latent attention; None: keys and values."""

    architecture: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    max_positions: int
    dense_intermediate: int
    dense_layers: int = 0
    experts: int = 0
    shared_experts: int = 0
    experts_per_token: int = 0
    moe_intermediate: int = 0
    mtp_layers: int = 0
    latent_dim: int | None = None
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Model:
    """A checkpoint. weight_bytes are without mtp_bytes; None there: it holds no layer for multi-token prediction.

    quantization is our word ("fp8_per_channel"), method the one that config.json uses ("compressed-tensors").
    how says how we know the sizes: "measured", "derived", "estimated", or "manifest", the shards' own sizes.
    kv_scales: whether it holds scales for an FP8 KV cache; None: nobody has looked.
    """

    id: str
    shape: Shape
    quantization: str
    method: str | None
    weight_bytes: int
    mtp_bytes: int | None
    how: str
    kv_auto: str
    block: int | None = None
    kv_scales: bool | None = None
    note: str = ""
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Absent:
    """An id under which there is no model, and the one that is meant."""

    id: str
    instead: str
    reason: str
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Models:
    """Everything that the data file says, by id."""

    known: Mapping[str, Model]
    absent: Mapping[str, Absent]
    sources: Mapping[str, str] = field(default_factory=dict)


@cache
def models() -> Models:
    """Return the models that we know."""
    content = read("models.yml")
    shapes = {name: Shape(**_tuples(values)) for name, values in content["shapes"].items()}
    known = (Model(**_tuples({**values, "shape": shapes[values["shape"]]})) for values in content["models"])
    absent = (Absent(**_tuples(values)) for values in content["absent"])
    return Models(
        {model.id: model for model in known}, {each.id: each for each in absent}, content["sources"]
    )


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
