"""A model from its own config.json."""

from __future__ import annotations

import pytest

from glmprov.catalog.models import models
from glmprov.fit import FitError, model_of_config

GLM = {
    "architectures": ["Glm4MoeForCausalLM"],
    "num_hidden_layers": 92,
    "hidden_size": 5120,
    "num_attention_heads": 96,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151552,
    "max_position_embeddings": 202752,
    "intermediate_size": 12288,
    "first_k_dense_replace": 3,
    "n_routed_experts": 160,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "moe_intermediate_size": 1536,
    "num_nextn_predict_layers": 1,
}
CHANNEL = {
    "quant_method": "compressed-tensors",
    "config_groups": {"group_0": {"weights": {"num_bits": 8, "strategy": "channel", "type": "float"}}},
}
BLOCK = {
    "quant_method": "compressed-tensors",
    "config_groups": {
        "group_0": {"weights": {"num_bits": 8, "strategy": "block", "block_structure": [128, 128]}}
    },
}


def test_the_catalogs_shape_is_the_configs() -> None:
    known = models().known["zai-org/GLM-4.7-FP8"]
    found = model_of_config("a/b", {**GLM, "quantization_config": CHANNEL})
    assert (found.quantization, found.method) == ("fp8_per_channel", "compressed-tensors")
    assert found.weight_bytes == known.weight_bytes
    assert found.mtp_bytes == known.mtp_bytes
    assert {**vars(found.shape), "sources": ()} == {**vars(known.shape), "sources": ()}


def test_sizes_come_from_the_shards_where_there_are_some() -> None:
    shards = {
        "model-00001.safetensors": 300,
        "model-00002.safetensors": 50,
        "mtp.safetensors": 7,
        "a.json": 9,
    }
    found = model_of_config("a/b", {**GLM, "quantization_config": CHANNEL}, shards)
    assert (found.weight_bytes, found.mtp_bytes, found.how) == (350, 7, "manifest")


def test_a_block_is_kept() -> None:
    assert model_of_config("a/b", {**GLM, "quantization_config": BLOCK}).block == 128


def test_latent_attention_is_seen() -> None:
    config = {**GLM, "kv_lora_rank": 512, "qk_rope_head_dim": 64}
    assert model_of_config("a/b", config).shape.latent_dim == 576


def test_everything_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(FitError) as caught:
        model_of_config("a/b", {"hidden_size": "wide"})
    for word in ("hidden_size: 'wide'", "num_hidden_layers: missing", "vocab_size: missing"):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("section", "scales", "auto"),
    [
        ({}, False, "bfloat16"),
        (CHANNEL, False, "bfloat16"),
        ({**CHANNEL, "kv_cache_scheme": {"num_bits": 8, "type": "float"}}, True, "fp8"),
        ({"quant_method": "modelopt"}, None, "bfloat16"),
    ],
)
def test_what_a_config_tells_of_scales_for_the_kv_cache(
    section: dict[str, object], scales: bool | None, auto: str
) -> None:
    found = model_of_config("a/b", {**GLM, "quantization_config": section})
    assert (found.kv_scales, found.kv_auto) == (scales, auto)
