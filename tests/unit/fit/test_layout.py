"""Which splits a model's divisors allow."""

from __future__ import annotations

from unit.fit.launches import FP8, fitted, sglang, vllm

from glmprov.catalog.models import models
from glmprov.fit import Layout, alternatives, faults

BLOCK = models().known["AlexGS74/GLM-4.7-FP8-block"]


def test_block_fp8_and_tensor_parallel_8_do_not_go_together() -> None:
    assert list(faults(BLOCK, Layout(8))) == [
        "tp 8: an expert's 1536 / 8 = 192 is no multiple of the quantization's block of 128"
    ]
    assert not list(faults(BLOCK, Layout(4, data=2)))
    assert not list(faults(BLOCK, Layout(4, pipeline=2)))
    assert not list(faults(BLOCK, Layout(8, expert=8)))  # whole experts aren't cut
    assert not list(faults(models().known[FP8], Layout(8)))


def test_vllms_data_parallel_ranks_share_the_experts_so_the_block_breaks_there_too() -> None:
    launch = vllm(0.9, data_parallel_size="2").arguments
    found = fitted(vllm(0.9, **{"": BLOCK.id, "data_parallel_size": "2"}))
    assert launch["data-parallel-size"] == "2"
    assert any("1536 / 8 = 192" in reason for reason in found.reasons)


def test_heads_and_experts_must_be_shared_evenly() -> None:
    model = models().known[FP8]
    assert any("96 attention heads" in fault for fault in faults(model, Layout(5)))
    assert any("8 KV heads" in fault for fault in faults(model, Layout(6)))
    assert any("160 experts" in fault for fault in faults(model, Layout(3, expert=3)))
    assert any("92 layers" in fault for fault in faults(model, Layout(1, 93)))


def test_latent_attention_has_no_kv_heads_to_share() -> None:
    assert not list(faults(models().known["zai-org/GLM-4.7-Flash"], Layout(4)))
    assert any(
        "20 attention heads" in fault for fault in faults(models().known["zai-org/GLM-4.7-Flash"], Layout(8))
    )


def test_two_replicas_take_eight_gpus() -> None:
    found = fitted(sglang(0.95, dp_size="2"), gpus=4)
    assert "tp 4 × dp 2 takes 8 GPUs, there are 4" in found.reasons
    assert fitted(sglang(0.95, dp_size="2"), gpus=8).pool.tokens == fitted(sglang(0.95)).pool.tokens


def test_data_parallel_attention_stays_inside_the_tensor_parallel_group() -> None:
    found = fitted(sglang(0.9, tp_size="8", dp_size="2", enable_dp_attention=True), gpus=8)
    assert found.asked.layout.gpus == 8
    assert found.pool.token_bytes == fitted(sglang(0.9)).pool.token_bytes  # 8 / 2 = 4 GPUs hold a token


def test_the_splits_of_eight_gpus_are_compared() -> None:
    found = {each.asked.layout.text: each for each in alternatives(fitted(sglang(0.95)), 8)}
    assert found["tp 8"].fits and found["tp 4 × dp 2"].fits and found["tp 4 × pp 2"].fits
    assert not found["tp 2 × dp 4"].fits
    assert found["tp 8"].pool.tokens > 10 * found["tp 4 × dp 2"].pool.tokens


def test_pipeline_stages_hold_their_own_layers() -> None:
    found = fitted(sglang(0.95, pp_size="2"), gpus=8)
    assert found.pool.token_bytes == 47_104 / 2
    uneven = fitted(sglang(0.95, pp_size="3"), gpus=12)
    assert uneven.pool.token_bytes == 47_104 / 92 * 31
