"""Rules about how many GPUs a launch takes, and how it cuts the model."""

from __future__ import annotations

from collections.abc import Iterator

from glmprov.lint.finding import Answer, unknown
from glmprov.lint.situation import Situation


def gpus_too_few(situation: Situation) -> Iterator[Answer]:
    """Ranks × stages × replicas need as many GPUs."""
    if situation.own_launcher or situation.gpus_used <= situation.gpus:
        return
    parts = {"tensor_parallel": "tensor", "pipeline_parallel": "pipeline", "data_parallel": "data"}
    given = [(word, situation.count(meaning)) for meaning, word in parts.items()]
    shape = " × ".join(f"{word} parallel {count}" for word, count in given if count > 1)
    widest = "data_parallel" if situation.count("data_parallel") > 1 else "tensor_parallel"
    yield Answer(True, place=situation.place("arguments", widest), values={"shape": shape})


def gpus_too_few_for_recipe(situation: Situation) -> Iterator[Answer]:
    """A recipe says how many GPUs it needs."""
    if situation.recipe.requires.gpus > situation.gpus:
        yield Answer(True)


def block_fp8_tensor_parallel(situation: Situation) -> Iterator[Answer]:
    """A rank's share of an expert must be a multiple of the weight block."""
    model = situation.target.model
    if model is None:
        yield unknown(f"{situation.model} isn't in the catalogue of models")
        return
    if model.block is None:
        return
    ranks, whole = max(1, situation.count("tensor_parallel")), model.shape.moe_intermediate
    if model.quantization.startswith("fp8") and whole // ranks % model.block:
        values = {"ranks": ranks, "intermediate": whole, "width": whole // ranks, "block": model.block}
        yield Answer(True, values=values)


def decode_context_parallel(situation: Situation) -> Iterator[Answer]:
    """The KV heads must be fewer than the tensor-parallel ranks."""
    model, ranks = situation.target.model, situation.count("tensor_parallel")
    if model is None:
        yield unknown(f"{situation.model} isn't in the catalogue of models")
    elif ranks <= model.shape.kv_heads:
        yield Answer(True, values={"ranks": ranks, "heads": model.shape.kv_heads})


def context_beyond_model(situation: Situation) -> Iterator[Answer]:
    """A context is at most as long as the model's positions."""
    model = situation.target.model
    if model is not None and situation.count("context_tokens", 0) > model.shape.max_positions:
        yield Answer(True, values={"limit": model.shape.max_positions})
