"""What one GPU has left for the KV cache, and how many tokens that is. Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass

from glmprov.catalog.models import Model
from glmprov.fit.asked import Asked
from glmprov.fit.constants import constants
from glmprov.fit.terms import Card, Term, counts_draft, terms


@dataclass(frozen=True)
class Pool:
    """The KV pool of one GPU. low and high are what the range of the fitted constant makes of it."""

    terms: tuple[Term, ...]
    token_bytes: float
    token_formula: str
    bytes: float
    tokens: int
    low_tokens: int
    high_tokens: int


def pool(model: Model, asked: Asked, card: Card) -> Pool:
    """Return what one GPU has left for the KV cache, and how many tokens that is."""
    engine = constants().engines[asked.engine]
    taken = tuple(terms(model, asked, card, engine))
    left = sum(term.bytes for term in taken)
    token_bytes, formula = token(model, asked)
    slack = engine.overhead

    def tokens(more: float) -> int:
        whole = math.floor(max(0.0, left + more) / token_bytes)
        return whole - whole % engine.page_tokens

    return Pool(
        taken,
        token_bytes,
        formula,
        left,
        tokens(0),
        tokens(slack.bytes - slack.high_bytes),
        tokens(slack.bytes - slack.low_bytes),
    )


def kv_type(model: Model, asked: Asked) -> str:
    """Return the KV cache's type: what is asked, else what "auto" means for this checkpoint."""
    return model.kv_auto if asked.kv_type == "auto" else asked.kv_type


def token(model: Model, asked: Asked) -> tuple[float, str]:
    """Return the bytes that one token takes of the fullest GPU's KV cache, and how that comes.

    An element of a type that we don't know is taken as 16 bits.
    """
    shape, layout = model.shape, asked.layout
    element = constants().kv_cache_bytes.get(kv_type(model, asked), 2)
    layers = math.ceil(shape.layers / layout.pipeline)
    layers += shape.mtp_layers if asked.mtp and model.mtp_bytes is not None and counts_draft(asked) else 0
    size = f"{element:g} B"
    if shape.latent_dim is not None:
        return layers * shape.latent_dim * element, f"{layers} layers × {shape.latent_dim} latent × {size}"
    heads = max(1, math.ceil(shape.kv_heads / layout.attention))
    return (
        2 * layers * heads * shape.head_dim * element,
        f"(K + V) × {layers} layers × {heads} of {shape.kv_heads} KV heads × {shape.head_dim} × {size}",
    )
