"""What the hub stand-in holds: GLM-4.7-FP8 with the real model's configuration and weights of a few kilobytes.

The configuration's values are those of the published model (layers, heads, experts, context); tensors carry its names
with made-up numbers in tiny shapes. Every repository says in its README.md that it is a stand-in.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

MODEL = "zai-org/GLM-4.7-FP8"
_SHARDS = 4
_TENSOR_BYTES = 96 << 10
_LARGE_BYTES = 32 << 10  # the real hub keeps files above 10 MiB, and all safetensors, outside Git
_NOTICE = "GLMPROV SIMULATED: a stand-in for the rehearsal fleet. Its weights are noise."
_QUANTIZATION = {
    "quant_method": "compressed-tensors",
    "format": "float-quantized",
    "quantization_status": "compressed",
    "config_groups": {
        "group_0": {
            "targets": ["Linear"],
            "weights": {
                "num_bits": 8,
                "type": "float",
                "strategy": "channel",
                "symmetric": True,
                "dynamic": False,
            },
            "input_activations": {
                "num_bits": 8,
                "type": "float",
                "strategy": "token",
                "symmetric": True,
                "dynamic": True,
            },
        }
    },
    "ignore": ["lm_head", "re:.*mlp\\.gate$"],
    "kv_cache_scheme": None,
}
# Source of the values: local-inference-lab/rtx6kpro models/glm47.md, zai-org/GLM-4.5 README, vllm-project/recipes.
CONFIGURATION = {
    "architectures": ["Glm4MoeForCausalLM"],
    "model_type": "glm4_moe",
    "torch_dtype": "bfloat16",
    "hidden_size": 5120,
    "num_hidden_layers": 92,
    "first_k_dense_replace": 3,
    "num_attention_heads": 96,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "attention_bias": True,
    "use_qk_norm": True,
    "partial_rotary_factor": 0.5,
    "rope_theta": 1000000,
    "n_routed_experts": 160,
    "num_experts_per_tok": 8,
    "n_shared_experts": 1,
    "moe_intermediate_size": 1536,
    "intermediate_size": 12288,
    "norm_topk_prob": True,
    "routed_scaling_factor": 2.5,
    "num_nextn_predict_layers": 1,
    "max_position_embeddings": 202752,
    "vocab_size": 151552,
    "tie_word_embeddings": False,
    "eos_token_id": [151329, 151336, 151338],
    "pad_token_id": 151329,
    "quantization_config": _QUANTIZATION,
    "glmprov": _NOTICE,
}


def ensure(cache: Path) -> Path:
    """Return the directory of models that the hub serves, made once."""
    key = hashlib.sha256((files("glmprov.lab") / "hub_content.py").read_bytes()).hexdigest()[:12]
    target = cache / f"hub-{key}"
    if not target.is_dir():
        work = cache / f"hub-{key}.part"
        shutil.rmtree(work, ignore_errors=True)
        (work / "blobs").mkdir(parents=True)
        _write(work, MODEL, {"first": files_of("first"), "second": files_of("second")}, latest="second")
        work.rename(target)
    return target


def _write(place: Path, model: str, revisions: Mapping[str, Mapping[str, bytes]], latest: str) -> None:
    """Store files once each, and what every revision holds by its commit."""
    record = {}
    for name, content in revisions.items():
        held = {path: _store(place / "blobs", path, data) for path, data in sorted(content.items())}
        sha = hashlib.sha1(json.dumps([model, held]).encode(), usedforsecurity=False).hexdigest()
        record[sha] = {"sha": sha, "names": ["main"] if name == latest else [], "files": held}
    folder = place / "models" / model
    folder.mkdir(parents=True)
    (folder / "revisions.json").write_text(json.dumps(record, indent=1) + "\n")


def _store(blobs: Path, path: str, data: bytes) -> dict[str, Any]:
    """Store a file under the name that the hub tells: Git's own hash, or the sha256 of a large file."""
    about: dict[str, Any] = {"size": len(data)}
    if path.endswith(".safetensors") or len(data) > _LARGE_BYTES:
        about["sha256"] = hashlib.sha256(data).hexdigest()
        pointer = (
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{about['sha256']}\nsize {len(data)}\n"
        )
        about["oid"] = _git_hash(pointer.encode())
        (blobs / about["sha256"]).write_bytes(data)
    else:
        about["oid"] = _git_hash(data)
        (blobs / about["oid"]).write_bytes(data)
    return about


def _git_hash(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def files_of(revision: str) -> dict[str, bytes]:
    """Return the files of a revision of the stand-in, by name."""
    tensors = _tensors()
    shards = {name: _shard(names, revision) for name, names in tensors.items()}
    sizes = sum(_TENSOR_BYTES * len(names) for names in tensors.values())
    index = {
        "metadata": {"total_size": sizes, "glmprov": _NOTICE},
        "weight_map": {name: shard for shard, names in tensors.items() for name in names},
    }
    generation = {"eos_token_id": CONFIGURATION["eos_token_id"], "temperature": 1.0, "top_p": 0.95}
    tokenizer = {"version": "1.0", "model": {"type": "BPE", "vocab": {}, "merges": []}, "glmprov": _NOTICE}
    settings = {"tokenizer_class": "PreTrainedTokenizer", "model_max_length": 128000, "glmprov": _NOTICE}
    return shards | {
        ".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n",
        "README.md": f"# {MODEL}\n\n{_NOTICE}\n\nRevision: {revision}\n".encode(),
        "config.json": _json(CONFIGURATION),
        "generation_config.json": _json(generation),
        "chat_template.jinja": f"{{# {_NOTICE} {revision} #}}\n[gMASK]<sop>{{{{ messages }}}}\n".encode(),
        "tokenizer.json": _json(tokenizer),
        "tokenizer_config.json": _json(settings),
        "model.safetensors.index.json": _json(index),
    }


def _tensors() -> dict[str, list[str]]:
    """Return names of tensors by shard: a few of every kind of layer, and the MTP layer in a file of its own."""
    parts = ("self_attn.q_proj.weight", "self_attn.o_proj.weight", "mlp.experts.0.down_proj.weight")
    layers = int(str(CONFIGURATION["num_hidden_layers"]))
    shards: dict[str, list[str]] = {}
    for number in range(1, _SHARDS + 1):
        chosen = (layers * (number - 1) // _SHARDS, layers * number // _SHARDS - 1)
        names = [f"model.layers.{layer}.{part}" for layer in chosen for part in parts]
        shards[f"model-{number:05}-of-{_SHARDS:05}.safetensors"] = names
    shards["model-00001-of-00004.safetensors"].append("model.embed_tokens.weight")
    shards["model-00004-of-00004.safetensors"] += ["model.norm.weight", "lm_head.weight"]
    shards["mtp.safetensors"] = [f"model.layers.{layers}.{part}" for part in ("eh_proj.weight", *parts)]
    return shards


def _shard(names: list[str], revision: str) -> bytes:
    """Return a safetensors file: the header's length, the header as JSON, the numbers."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt", "glmprov": _NOTICE}}
    for number, name in enumerate(names):
        place = [number * _TENSOR_BYTES, (number + 1) * _TENSOR_BYTES]
        header[name] = {"dtype": "F8_E4M3", "shape": [_TENSOR_BYTES // 256, 256], "data_offsets": place}
    described = json.dumps(header).encode()
    described += b" " * (-len(described) % 8)
    noise = [hashlib.shake_256(f"{revision} {name}".encode()).digest(_TENSOR_BYTES) for name in names]
    return struct.pack("<Q", len(described)) + described + b"".join(noise)


def _json(value: object) -> bytes:
    return json.dumps(value, indent=2).encode() + b"\n"
