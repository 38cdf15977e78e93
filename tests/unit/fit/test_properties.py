"""What holds for every launch and every card."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.fit.launches import GIB, sglang, vllm

from glmprov.catalog.models import models
from glmprov.fit import Card, Layout, asked_by, faults, fit, splits
from glmprov.recipe.launch import Launch

Engine = Callable[[float], Launch]

FRACTIONS = st.integers(500, 990).map(lambda thousandths: thousandths / 1000)
ENGINES = st.sampled_from([sglang, vllm])
MODELS = st.sampled_from(sorted(models().known))
CARDS = st.integers(20, 300).map(lambda gib: gib * GIB)


@given(ENGINES, MODELS, FRACTIONS, CARDS, st.integers(0, 100))
def test_more_memory_is_never_less_context(
    engine: Engine, name: str, fraction: float, usable: int, more: int
) -> None:
    model, asked = models().known[name], asked_by(engine(fraction))
    less = fit(model, asked, Card(usable, "a card"))
    larger = fit(model, asked, Card(usable + more * GIB, "a card"))
    assert larger.context_tokens >= less.context_tokens
    assert larger.pool.bytes >= less.pool.bytes


@given(ENGINES, FRACTIONS, FRACTIONS)
def test_a_larger_share_is_never_less_context(engine: Engine, one: float, other: float) -> None:
    model = models().known["zai-org/GLM-4.7-FP8"]
    low, high = (
        fit(model, asked_by(engine(share)), Card(95 * GIB, "a card")) for share in sorted((one, other))
    )
    assert low.pool.tokens <= high.pool.tokens


@given(ENGINES, MODELS, FRACTIONS, CARDS)
def test_the_lines_add_up_to_the_pool(engine: Engine, name: str, fraction: float, usable: int) -> None:
    found = fit(models().known[name], asked_by(engine(fraction)), Card(usable, "a card"))
    assert sum(term.bytes for term in found.pool.terms) == pytest.approx(found.pool.bytes)
    assert (
        0 <= found.low_tokens <= found.context_tokens <= found.high_tokens <= found.model.shape.max_positions
    )
    assert found.pool.tokens * found.pool.token_bytes <= max(found.pool.bytes, 0)


@given(MODELS, st.integers(1, 16), st.integers(1, 4), st.integers(1, 4))
def test_a_legal_split_divides_what_it_splits(name: str, tensor: int, pipeline: int, data: int) -> None:
    model, layout = models().known[name], Layout(tensor, pipeline, data)
    shape = model.shape
    if not list(faults(model, layout)):
        assert shape.heads % tensor == 0 and shape.moe_intermediate % tensor == 0
        assert shape.latent_dim or shape.kv_heads % tensor == 0 or tensor % shape.kv_heads == 0
        assert (shape.moe_intermediate // tensor) % (model.block or 1) == 0


@given(st.integers(1, 16), st.sampled_from(["vllm", "sglang"]))
def test_every_split_fills_the_gpus_and_none_comes_twice(gpus: int, engine: str) -> None:
    found = list(splits(gpus, engine))
    assert {layout.gpus for layout in found} == {gpus}
    assert len(set(found)) == len(found)
