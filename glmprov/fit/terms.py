"""The terms of one GPU's memory: what is there, what weights, engine and buffers take of it. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from glmprov.catalog.models import Model
from glmprov.fit.asked import Asked
from glmprov.fit.constants import GIB, EngineMemory, constants
from glmprov.fit.parameters import parameters


class Mark(StrEnum):
    """How sure a term is."""

    EXACT = ""
    """By the model's shape, or by the engine's own rule."""
    MEASURED = "measured"
    DERIVED = "derived"
    ESTIMATED = "estimated"
    FITTED = "fitted"
    """Set so that a published run comes out."""
    BOUND = "upper bound"


@dataclass(frozen=True)
class Term:
    """A line of the arithmetic. bytes is signed: all lines together are the KV pool."""

    name: str
    bytes: float
    formula: str
    mark: Mark
    source: str


@dataclass(frozen=True)
class Card:
    """What an engine finds on a card: all that it can have, and what others hold of it now."""

    usable_bytes: int
    source: str
    used_bytes: int = 0


def fraction(asked: Asked, card: Card) -> float:
    """Return the share of a card's memory that the engine takes: what it is given, else as SGLang computes it."""
    if asked.fraction is not None:
        return asked.fraction
    reserve = constants().engines[asked.engine].default_reserve
    graphs = reserve["graph_requests"] // (1 if asked.layout.tensor >= 4 else 2)
    mebibytes: float = (
        reserve["constant"]
        + max(asked.prefill_tokens or reserve["prefill_tokens"], 2048) * reserve["a_prefill_token"]
        + (asked.graph_requests or graphs) * reserve["a_graph_request"]
        + asked.layout.tensor * asked.layout.pipeline / 8 * reserve["eight_gpus"]
    )
    mebibytes = max(mebibytes, reserve["at_least"]) + (reserve["speculation"] if drafts(asked) else 0)
    return round(max(0.0, 1 - mebibytes * 2**20 / card.usable_bytes), 3)


def drafts(asked: Asked) -> bool:
    """Return whether a layer or a model drafts tokens."""
    return asked.mtp or bool(asked.draft_model)


def counts_draft(asked: Asked) -> bool:
    """Return whether the pool is made after the layer for MTP is loaded."""
    return constants().engines[asked.engine].counts_draft(asked.version)


def terms(model: Model, asked: Asked, card: Card, engine: EngineMemory) -> Iterator[Term]:
    """Yield what is there, and all that is taken of it before the KV cache."""
    share, overhead = fraction(asked, card), engine.overhead
    origin = asked.fraction_origin if asked.fraction is not None else "as the engine computes it"
    keeps = Term(
        overhead.what,
        -overhead.bytes,
        _range(overhead.low_bytes, overhead.high_bytes),
        Mark.FITTED,
        overhead.evidence,
    )
    total = _gib(card.usable_bytes)
    if asked.engine == "vllm":
        yield Term(
            "utilization × card",
            share * card.usable_bytes,
            f"{share:g} × {total}",
            Mark.EXACT,
            f"{origin}; {card.source}",
        )
    else:
        yield Term("card", card.usable_bytes, total, Mark.EXACT, card.source)
        if card.used_bytes:
            yield Term("held by others", -card.used_bytes, "read from the card", Mark.MEASURED, "the host")
    yield from _weights(model, asked)
    yield keeps
    yield from _buffers(asked)
    if asked.engine != "vllm":
        kept = (1 - share) * card.usable_bytes
        yield Term(
            "kept free for activations and graphs",
            -kept,
            f"(1 − {share:g}) × {total}",
            _sure(asked),
            f"{origin}; {engine.rule}",
        )


def _sure(asked: Asked) -> Mark:
    return Mark.EXACT if asked.fraction is not None else Mark.ESTIMATED


def _weights(model: Model, asked: Asked) -> Iterator[Term]:
    layout = asked.layout
    routed = parameters(model.shape).routed_share
    share = ((1 - routed) / layout.attention + routed / layout.experts) * (
        math.ceil(model.shape.layers / layout.pipeline) / model.shape.layers
    )
    mark = {"measured": Mark.MEASURED, "estimated": Mark.ESTIMATED}.get(model.how, Mark.DERIVED)
    formula = f"{_gib(model.weight_bytes)} {_over(layout.attention, layout.experts, layout.pipeline)}"
    yield Term(
        "weights",
        -model.weight_bytes * share,
        formula,
        mark,
        f"{model.id}: {model.quantization}, {model.how}",
    )
    if asked.mtp and model.mtp_bytes is not None and counts_draft(asked):
        share = (1 - routed) / layout.attention + routed / layout.experts
        formula = f"{_gib(model.mtp_bytes)} {_over(layout.attention, layout.experts, 1)}"
        yield Term("layer for MTP", -model.mtp_bytes * share, formula, mark, f"{model.id}: {model.how}")


def _over(attention: int, experts: int, pipeline: int) -> str:
    over = f"/ {attention}" if attention == experts else f"/ {attention}, experts / {experts}"
    return over if pipeline == 1 else f"{over}, / {pipeline} stages"


def _buffers(asked: Asked) -> Iterator[Term]:
    """Yield what larger or more NCCL buffers take. Those of NCCL's defaults are part of the engine's overhead."""
    asks, nccl = asked.buffers, constants().nccl
    if (asks.channels is None and asks.bytes is None) or asked.layout.gpus == 1:
        return
    channels, size = asks.channels or nccl["channels"], asks.bytes or nccl["buffer_bytes"]
    formula = f"{channels} channels × {size / 2**20:g} MiB"
    if asks.on_host:
        yield Term(
            "NCCL buffers",
            0,
            f"{formula}, in the host's memory: P2P is off",
            Mark.BOUND,
            nccl["host_memory_source"],
        )
    else:
        yield Term("NCCL buffers", -channels * size, formula, Mark.BOUND, nccl["source"])


def _gib(count: float) -> str:
    return f"{count / GIB:.2f} GiB"


def _range(low: float, high: float) -> str:
    return f"{low / GIB:.2f} to {high / GIB:.2f} GiB"
