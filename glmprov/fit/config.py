"""A model's shape from its own config.json, and its size from its shards. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glmprov.catalog.models import Model, Shape
from glmprov.fit.asked import FitError
from glmprov.fit.parameters import LINEAR_BYTES, derived_bytes

MTP_SHARD = "mtp.safetensors"
"""Where GLM-4.7 keeps the layer for multi-token prediction."""


def shape_of_config(config: Mapping[str, Any]) -> Shape:
    """Given config.json, return the shape. Raise FitError with every key that is missing or no number."""
    faults: list[str] = []

    def number(*names: str, default: int | None = None) -> int:
        for name in names:
            value = config.get(name)
            if isinstance(value, int) and not isinstance(value, bool):
                return value
            if value is not None:
                faults.append(f"{name}: {value!r} is no number")
                return 0
        if default is None:
            faults.append(f"{names[0]}: missing")
        return default or 0

    heads, hidden = number("num_attention_heads"), number("hidden_size")
    experts = number("n_routed_experts", "num_local_experts", "num_experts", default=0)
    latent = number("kv_lora_rank", default=0)
    shape = Shape(
        architecture=str(next(iter(config.get("architectures") or ()), config.get("model_type", ""))),
        layers=number("num_hidden_layers"),
        hidden=hidden,
        heads=heads,
        kv_heads=number("num_key_value_heads", default=heads),
        head_dim=number("head_dim", default=hidden // heads if heads else 0),
        vocabulary=number("vocab_size"),
        max_positions=number("max_position_embeddings"),
        dense_intermediate=number("intermediate_size", default=0),
        dense_layers=number("first_k_dense_replace", default=0),
        experts=experts,
        shared_experts=number("n_shared_experts", default=0),
        experts_per_token=number("num_experts_per_tok", default=0),
        moe_intermediate=number("moe_intermediate_size", default=0),
        mtp_layers=number("num_nextn_predict_layers", default=0),
        latent_dim=latent + number("qk_rope_head_dim", default=0) if latent else None,
        sources=("config.json",),
    )
    if faults:
        raise FitError("\n".join(faults), place="config.json")
    return shape


def model_of_config(name: str, config: Mapping[str, Any], shards: Mapping[str, int] | None = None) -> Model:
    """Return a model from its config.json and the bytes of its shards, by file name.

    Without shards, the size is derived from the shape. Where the layer for multi-token prediction has no shard of its
    own, its part of the others is derived.
    """
    shape = shape_of_config(config)
    kind, block = _quantization(config)
    own, mtp = derived_bytes(shape, kind if kind in LINEAR_BYTES else "none")
    how = "derived"
    if shards:
        weights = {file: size for file, size in shards.items() if file.endswith(".safetensors")}
        mtp = weights.get(MTP_SHARD, mtp)
        own, how = sum(weights.values()) - mtp, "manifest"
    return Model(
        id=name,
        shape=shape,
        quantization=kind,
        method=_method(config),
        weight_bytes=own,
        mtp_bytes=mtp if shape.mtp_layers else None,
        how=how,
        kv_auto="fp8" if _section(config).get("kv_cache_scheme") else "bfloat16",
        block=block,
        kv_scales=_kv_scales(config),
        sources=shape.sources,
    )


def _kv_scales(config: Mapping[str, Any]) -> bool | None:
    """Return whether the checkpoint holds scales for an FP8 KV cache. None: its configuration doesn't tell."""
    section = _section(config)
    if section.get("kv_cache_scheme") or section.get("kv_cache_quant_algo"):
        return True
    return False if _method(config) in (None, "compressed-tensors") else None


def _section(config: Mapping[str, Any]) -> Mapping[str, Any]:
    return config.get("quantization_config") or {}


def _method(config: Mapping[str, Any]) -> str | None:
    method = _section(config).get("quant_method")
    return None if method is None else str(method)


def _quantization(config: Mapping[str, Any]) -> tuple[str, int | None]:
    """Return our word for the quantization, and the block that a split must keep."""
    section, method = _section(config), _method(config)
    if method is None:
        return "none", None
    if method == "fp8":
        block = section.get("weight_block_size")
        return ("fp8_block", int(block[0])) if block else ("fp8_per_tensor", None)
    if method == "compressed-tensors":
        groups: list[Mapping[str, Any]] = [*section.get("config_groups", {}).values()]
        return _compressed((groups[0].get("weights") if groups else None) or {})
    if method.startswith("modelopt"):
        return "nvfp4", None
    return "int4_group", section.get("group_size")


def _compressed(weights: Mapping[str, Any]) -> tuple[str, int | None]:
    if weights.get("num_bits") == 4:
        floating = weights.get("type") == "float"
        return ("nvfp4", None) if floating else ("int4_group", weights.get("group_size"))
    if weights.get("strategy") == "block":
        structure = weights.get("block_structure") or [128, 128]
        return "fp8_block", int(structure[0])
    return ("fp8_per_channel" if weights.get("strategy") == "channel" else "fp8_per_tensor"), None
