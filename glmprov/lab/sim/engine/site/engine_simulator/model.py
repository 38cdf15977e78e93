"""A model by its folder: what config.json says, and the bytes that follow from it."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BYTES = {"fp8": 1, "int8": 1, "nvfp4": 0.5625, "int4": 0.53125, "bf16": 2}


class ModelMissingError(Exception):
    """There is no such folder, or something that belongs into it isn't there."""


@dataclass(frozen=True)
class Model:
    """A checkpoint. config is config.json; shards are the weight files that the index names, in order."""

    folder: Path
    config: dict[str, Any]
    shards: tuple[Path, ...] = ()
    has_mtp_weights: bool = False
    missing: tuple[str, ...] = field(default=())

    def number(self, name: str, default: int = 0) -> int:
        return int(self.config.get(name) or default)

    @property
    def architecture(self) -> str:
        return (self.config.get("architectures") or ["unknown"])[0]

    @property
    def quantization(self) -> dict[str, Any]:
        return self.config.get("quantization_config") or {}

    @property
    def quant_method(self) -> str:
        return str(self.quantization.get("quant_method", ""))

    @property
    def block(self) -> tuple[int, int] | None:
        """The block of block-wise FP8 weights."""
        groups = self.quantization.get("config_groups", {}).values()
        blocks = [group.get("weights", {}).get("block_structure") for group in groups]
        block = next((one for one in blocks if one), self.quantization.get("weight_block_size"))
        return tuple(block) if block else None

    @property
    def is_fp8(self) -> bool:
        weights = [group.get("weights", {}) for group in self.quantization.get("config_groups", {}).values()]
        by_groups = any((one.get("num_bits"), one.get("type")) == (8, "float") for one in weights)
        return self.quant_method == "fp8" or by_groups

    @property
    def context_tokens(self) -> int:
        return self.number("max_position_embeddings", 8192)

    def weight_bytes(self, tensor_parallel: int, *, is_quantized: bool, with_mtp: bool) -> float:
        """Return what the weights take on each card: linear layers in their type, the rest in 16 bits."""
        linear = 1.0 if is_quantized else 2.0
        hidden, layers = self.number("hidden_size"), self.number("num_hidden_layers")
        head = self.number("head_dim", 128)
        attention = (
            hidden * head * 2 * (self.number("num_attention_heads") + self.number("num_key_value_heads"))
        )
        dense = 3 * hidden * self.number("intermediate_size")
        expert = 3 * hidden * self.number("moe_intermediate_size")
        experts = self.number("n_routed_experts") + self.number("n_shared_experts")
        sparse_layers = layers - self.number("first_k_dense_replace") if experts else 0
        total = linear * (
            layers * attention + (layers - sparse_layers) * dense + sparse_layers * experts * expert
        )
        total += 2 * (2 * self.number("vocab_size") * hidden + sparse_layers * experts * hidden)
        if with_mtp:
            total += linear * (attention + experts * expert + 2 * hidden * hidden)
        return total / tensor_parallel

    def kv_bytes_per_token(self, tensor_parallel: int, element_bytes: int, *, with_mtp: bool) -> float:
        """Return what one token takes on each card."""
        heads = max(self.number("num_key_value_heads") // tensor_parallel, 1)
        layers = self.number("num_hidden_layers") + (1 if with_mtp else 0)
        return 2 * layers * heads * self.number("head_dim", 128) * element_bytes


def load(name: str) -> Model:
    """Return the model of a folder, or of an id that is in the hub's cache on this disk. Raise ModelMissingError."""
    folder = _folder(name)
    try:
        config = json.loads((folder / "config.json").read_text())
    except FileNotFoundError:
        raise ModelMissingError(f"{folder} does not appear to have a file named config.json.") from None
    except ValueError:
        raise ModelMissingError(
            f"It looks like the config file at '{folder}/config.json' is not a valid JSON file."
        ) from None
    index = folder / "model.safetensors.index.json"
    if index.exists():
        weights: dict[str, str] = json.loads(index.read_text())["weight_map"]
        names = sorted(set(weights.values()))
    else:
        weights, names = {}, sorted(path.name for path in folder.glob("*.safetensors"))
    mtp = f"model.layers.{config.get('num_hidden_layers')}."
    missing = tuple(one for one in names if not (folder / one).exists())
    has_mtp = any(key.startswith(mtp) for key in weights)
    return Model(folder, config, tuple(folder / one for one in names), has_mtp, missing)


def fault_of(shard: Path) -> str | None:
    """Return what safetensors would say of a file that isn't whole, None of a good one."""
    with shard.open("rb") as file:
        head = file.read(8)
        if len(head) < 8:
            return "Error while deserializing header: header too small"
        length = int.from_bytes(head, "little")
        try:
            header = json.loads(file.read(length))
        except ValueError:
            return "Error while deserializing header: invalid header"
    end = max((one["data_offsets"][1] for name, one in header.items() if name != "__metadata__"), default=0)
    is_whole = shard.stat().st_size == 8 + length + end
    return (
        None if is_whole else "Error while deserializing header: incomplete metadata, file not fully covered"
    )


def _folder(name: str) -> Path:
    if Path(name).is_dir():
        return Path(name)
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache/huggingface"))
    cache = Path(os.environ.get("HF_HUB_CACHE", home / "hub")) / f"models--{name.replace('/', '--')}"
    try:
        revision = (cache / "refs/main").read_text().strip()
        return next(path for path in (cache / "snapshots").iterdir() if path.name == revision)
    except (OSError, StopIteration):
        raise ModelMissingError(
            f"{name} is not a local folder and is not in the hub's cache: the simulator downloads nothing."
        ) from None
