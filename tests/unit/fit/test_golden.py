"""Numbers that people published, and what they must follow from."""

from __future__ import annotations

import pytest
from unit.fit.launches import FP8, GIB, card, fitted, sglang, vllm

from glmprov.catalog.models import Model, models
from glmprov.fit import Mark, fraction, token
from glmprov.fit.asked import asked_by
from glmprov.fit.constants import constants
from glmprov.fit.parameters import derived_bytes


def test_a_token_of_glm_47_takes_188_416_bytes_with_fp8() -> None:
    alone = fitted(sglang(0.95, tp_size="1"))
    assert alone.pool.token_bytes == 188_416
    assert fitted(sglang(0.95)).pool.token_bytes == 188_416 / 4 == 47_104
    assert fitted(sglang(0.95, tp_size="8")).pool.token_bytes == 23_552
    assert fitted(sglang(0.95, kv_cache_dtype="bf16")).pool.token_bytes == 94_208


def test_the_layer_for_mtp_is_one_more_layer_of_cache() -> None:
    assert fitted(sglang(0.95, speculative_algorithm="EAGLE")).pool.token_bytes == 47_616


def test_729_248_tokens_take_31_99_gib_as_an_operators_log_says() -> None:
    """AlexGS74/glm47-nvfp4-sm120, 2026-02-21: vLLM's "Available KV cache memory: 31.99 GiB", 729,248 tokens, TP 4."""
    model = models().known["Salyut1/GLM-4.7-NVFP4"]
    size, _ = token(model, asked_by(vllm(0.80, kv_cache_dtype="auto")))
    assert 31.99 * GIB / size == pytest.approx(729_248, rel=0.001)


def test_88_560_tokens_take_3_885_gib_as_vllm_says() -> None:
    size = fitted(vllm(0.95)).pool.token_bytes
    assert 88_560 * size / GIB == pytest.approx(3.885, abs=0.0005)


def test_171_455_tokens_need_0_97_without_mtp() -> None:
    """The prompt that was refused, whatever the overhead is within its range."""
    enough = fitted(sglang(0.97), wanted_tokens=171_455)
    assert enough.fits and enough.low_tokens >= 171_455
    short = fitted(sglang(0.95), wanted_tokens=171_455)
    assert not short.fits and short.high_tokens < 171_455
    assert "171,455 tokens are wanted" in short.reasons[0] and "0.955 would do" in short.reasons[0]


def test_the_published_0_88_leaves_about_10_000_tokens_and_none_with_mtp() -> None:
    assert 9_500 < fitted(sglang(0.88)).context_tokens < 11_000
    with_mtp = fitted(sglang(0.88, speculative_algorithm="NEXTN"))
    assert not with_mtp.fits and with_mtp.context_tokens == 0
    assert "short of 0.49 GiB" in with_mtp.reasons[0]


def test_139_297_tokens_come_out_at_0_95_with_mtp() -> None:
    """Fitted: the overhead was chosen for it, to one digit."""
    found = fitted(sglang(0.95, speculative_algorithm="EAGLE"))
    assert found.context_tokens == pytest.approx(139_297, rel=0.005)
    assert found.low_tokens < 139_297 < found.high_tokens
    assert [term.mark for term in found.pool.terms].count(Mark.FITTED) == 1


def test_88_560_tokens_come_out_of_vllm_at_0_95() -> None:
    """Fitted."""
    assert fitted(vllm(0.95, max_model_len="auto")).context_tokens == pytest.approx(88_560, rel=0.002)


def test_16_bit_kv_can_not_hold_139_297_tokens_on_four_cards() -> None:
    assert fitted(sglang(0.97, kv_cache_dtype="bf16")).high_tokens < 139_297


def test_eight_cards_hold_more_than_the_model_takes_at_0_88() -> None:
    found = fitted(sglang(0.88, tp_size="8"))
    assert found.pool.bytes / GIB == pytest.approx(41.7, abs=0.1)
    assert found.pool.tokens == pytest.approx(1_900_000, rel=0.01)


def test_the_desktop_on_one_card_costs_its_share() -> None:
    """0.1 GiB is 2,300 tokens."""
    less = fitted(sglang(0.95), used_bytes=GIB // 10)
    assert fitted(sglang(0.95)).pool.tokens - less.pool.tokens == pytest.approx(2_280, abs=20)


@pytest.mark.parametrize(
    ("version", "share"),
    [
        ("0.11.2", 0.9),
        ("0.16.0", 0.9),
        ("0.23.0", 0.92),
        ("0.33.0", 0.92),
        ("0.24.1rc1", 0.92),
        ("", 0.92),
        ("nightly", 0.92),
    ],
)
def test_vllms_default_share_depends_on_its_release(version: str, share: float) -> None:
    asked = asked_by(vllm(None, version))
    assert (fraction(asked, card()), asked.fraction_origin) == (share, "the engine's default")


def test_sglang_computes_its_share_from_what_it_keeps() -> None:
    """0.5.9: 512 + 8192 × 1.5 + 512 × 2 + 4 / 8 × 1024 = 14,336 MiB."""
    asked = asked_by(sglang(None))
    assert fraction(asked, card()) == pytest.approx(1 - 14_336 / 97_251, abs=0.001)
    assert any(term.mark is Mark.ESTIMATED for term in fitted(sglang(None)).pool.terms)


def test_sglang_before_0_5_14_takes_mtp_out_of_what_it_keeps_free() -> None:
    old = fitted(sglang(0.95, "0.5.9", speculative_algorithm="EAGLE"))
    assert old.pool.tokens == fitted(sglang(0.95, "0.5.9")).pool.tokens
    assert any("before it loads the layer for MTP" in note for note in old.notes)


@pytest.mark.parametrize(
    "model",
    [model for model in models().known.values() if model.how == "derived"],
    ids=lambda model: model.id,
)
def test_derived_sizes_follow_from_the_shape(model: Model) -> None:
    own, mtp = derived_bytes(model.shape, model.quantization)
    assert (model.weight_bytes, model.mtp_bytes) == (own, None if model.mtp_bytes is None else mtp)


def test_the_measured_nvfp4_weights_are_close_to_what_the_shape_says() -> None:
    model = models().known["Salyut1/GLM-4.7-NVFP4"]
    assert model.weight_bytes / 4 / GIB == pytest.approx(47.11, abs=0.005)
    assert derived_bytes(model.shape, "nvfp4")[0] == pytest.approx(model.weight_bytes, rel=0.01)


def test_the_whole_fp8_checkpoint_is_what_people_say() -> None:
    """~338 GB in the wiki are GiB: weights, the layer for MTP with an embedding and an output of its own."""
    model = models().known[FP8]
    assert model.mtp_bytes is not None
    shared = 2 * 2 * model.shape.vocabulary * model.shape.hidden
    assert (model.weight_bytes + model.mtp_bytes + shared) / GIB == pytest.approx(337, abs=1)


def test_every_fitted_constant_lies_within_its_range_and_has_evidence() -> None:
    for engine in constants().engines.values():
        kept = engine.overhead
        assert kept.low_bytes < kept.bytes < kept.high_bytes
        assert kept.evidence and kept.source
