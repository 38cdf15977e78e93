"""What a launch asks, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.fit.launches import FP8, GIB, fitted, sglang, vllm

from glmprov.engines.flags import catalogue, versions
from glmprov.errors import ExitCode
from glmprov.fit import FitError, asked_by, model_of
from glmprov.fit.constants import constants
from glmprov.recipe.launch import Launch


def test_vllm_refuses_a_context_that_the_pool_can_not_hold() -> None:
    """Recipe 3 as published: 0.92, 32,768 tokens."""
    found = fitted(vllm(0.92, max_model_len="32768"))
    assert not found.fits
    assert "a context of 32,768 tokens takes 1.44 GiB" in found.reasons[0]
    assert fitted(vllm(0.95, max_model_len="32k")).fits


def test_vllms_own_default_is_the_whole_context_of_the_model() -> None:
    assert "202,752 tokens" in fitted(vllm(0.95)).reasons[0]


def test_sglang_starts_with_a_context_that_it_can_not_hold_and_we_say_so() -> None:
    found = fitted(sglang(0.95, context_length="200000"))
    assert found.fits
    assert any("set to 200,000 tokens" in note for note in found.notes)
    assert fitted(sglang(0.95, context_length="100000")).context_tokens == 99_994


def test_what_others_hold_is_less_for_sglang_and_may_keep_vllm_from_starting() -> None:
    assert fitted(sglang(0.95), used_bytes=GIB).pool.bytes == pytest.approx(
        fitted(sglang(0.95)).pool.bytes - GIB
    )
    launch = vllm(0.95, max_model_len="32768")
    assert fitted(launch, used_bytes=GIB).fits
    assert "it wants 90.22 GiB of each card" in fitted(launch, used_bytes=6 * GIB).reasons[0]


def test_a_checkpoint_without_the_layer_can_not_draft_with_it() -> None:
    found = fitted(vllm(0.9, **{"": "Salyut1/GLM-4.7-NVFP4", "speculative_config": '{"method": "mtp"}'}))
    assert "has no layer for MTP" in found.reasons[0]


@pytest.mark.parametrize(
    ("given", "mtp", "draft"),
    [
        ({"speculative_algorithm": "NEXTN"}, True, ""),
        ({"speculative_algorithm": "NGRAM"}, False, ""),
        ({"speculative_algorithm": "EAGLE3", "speculative_draft_model_path": "a/b"}, False, "a/b"),
    ],
)
def test_what_drafts_in_sglang(given: dict[str, str], mtp: bool, draft: str) -> None:
    asked = asked_by(sglang(0.9, **given))
    assert (asked.mtp, asked.draft_model) == (mtp, draft)


def test_nccl_buffers_are_on_the_card_unless_peer_to_peer_is_off() -> None:
    more = {"NCCL_MAX_NCHANNELS": "64", "NCCL_MIN_NCHANNELS": "32", "NCCL_BUFFSIZE": "67108864"}
    plain = fitted(vllm(0.95, max_model_len="auto"))
    on_card = fitted(replace(vllm(0.95, max_model_len="auto"), environment=more))
    assert on_card.pool.bytes == pytest.approx(plain.pool.bytes - 4 * GIB)
    on_host = fitted(replace(vllm(0.95, max_model_len="auto"), environment={**more, "NCCL_P2P_DISABLE": "1"}))
    assert on_host.pool.bytes == plain.pool.bytes
    assert any("4.0 GiB of the host's memory" in note for note in on_host.notes)


def test_every_value_that_can_not_be_read_is_named_at_once() -> None:
    launch = replace(
        vllm(None, gpu_memory_utilization="most", max_model_len="long", speculative_config="{"),
        environment={"NCCL_BUFFSIZE": "big"},
    )
    with pytest.raises(FitError) as caught:
        asked_by(launch)
    assert caught.value.exit_code is ExitCode.FAILED
    for word in ("--gpu-memory-utilization most", "--max-model-len long", "no JSON", "NCCL_BUFFSIZE=big"):
        assert word in str(caught.value)


def test_an_image_with_its_own_launcher_can_not_be_judged() -> None:
    with pytest.raises(FitError, match="takes no arguments"):
        asked_by(Launch("image", ""))


def test_an_id_that_does_not_exist_is_counted_as_the_one_that_is_meant_and_refused() -> None:
    model, reasons = model_of("THUDM/GLM-4.7-9B-0414")
    assert model.id == FP8 and "no such model" in reasons[0]
    assert model_of("/models/GLM-4.7-9B-0414", FP8)[1] == reasons
    assert model_of("/data/GLM-4.7-FP8") == (model, ())
    assert model_of("/data/somewhere", FP8) == (model, ())


def test_an_unknown_model_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(FitError) as caught:
        model_of("zai-org/GLM4.7-FP8")
    assert caught.value.next_step == f"did you mean {FP8}?"
    with pytest.raises(FitError):
        model_of("somebody/else", FP8)  # another id is another model, whatever the recipe says


def test_an_unknown_kind_of_kv_cache_is_taken_as_16_bits_and_said() -> None:
    found = fitted(sglang(0.97, kv_cache_dtype="turbo3"))
    assert found.pool.token_bytes == 94_208
    assert any("turbo3" in note for note in found.notes)


def test_what_changes_memory_and_is_left_out_is_said() -> None:
    found = fitted(vllm(0.95, max_model_len="32768", cpu_offload_gb="10"))
    assert "not counted: --cpu-offload-gb" in found.notes
    for engine in constants().engines.values():
        known = {name for each in versions(engine.name) for name in catalogue(engine.name, each).spellings}
        assert {f"--{name}" for name in engine.not_counted} <= known
