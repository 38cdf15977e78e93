"""How a model is split over GPUs: which splits its own divisors allow. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from glmprov.catalog.models import Model


@dataclass(frozen=True)
class Layout:
    """A split. expert: the size of an expert-parallel group, 1 for none.

    shared_experts_split: data-parallel ranks hold the routed experts together, as vLLM's do; attention_split: the
    data-parallel ranks are inside the tensor-parallel group, as with SGLang's data-parallel attention.
    """

    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    expert: int = 1
    shared_experts_split: bool = False
    attention_split: bool = False

    @property
    def gpus(self) -> int:
        """How many GPUs it takes."""
        return self.tensor * self.pipeline * (1 if self.attention_split else self.data)

    @property
    def attention(self) -> int:
        """Over how many GPUs a layer's attention is split."""
        return max(1, self.tensor // self.data) if self.attention_split else self.tensor

    @property
    def experts(self) -> int:
        """Over how many GPUs a layer's routed experts are split, by whole experts or through each."""
        return self.tensor * self.data if self.shared_experts_split else self.tensor

    @property
    def expert_width(self) -> int:
        """Over how many GPUs each expert is cut through."""
        return max(1, self.experts // self.expert)

    @property
    def text(self) -> str:
        """As people write it: "tp 4 × dp 2"."""
        named = {"tp": self.tensor, "pp": self.pipeline, "dp": self.data, "ep": self.expert}
        return " × ".join(f"{name} {size}" for name, size in named.items() if size > 1 or name == "tp")


def faults(model: Model, layout: Layout) -> Iterator[str]:
    """Yield every reason why a model can't be split so.

    Sources: vLLM's validate_fp8_block_shape_moe and SGLang's layers/quantization/fp8.py for the block; both engines'
    attention layers for the heads.
    """
    shape = model.shape
    at = layout.attention
    if shape.heads % at:
        yield f"tp {at}: {shape.heads} attention heads can't be shared evenly by {at} GPUs"
    if shape.latent_dim is None and shape.kv_heads % at and at % shape.kv_heads:
        yield f"tp {at}: {shape.kv_heads} KV heads can't be shared or copied evenly by {at} GPUs"
    if layout.pipeline > shape.layers:
        yield f"pp {layout.pipeline}: there are {shape.layers} layers"
    if layout.attention_split and layout.tensor % layout.data:
        yield f"dp {layout.data}: data-parallel attention must divide tp {layout.tensor}"
    if shape.experts:
        yield from _expert_faults(model, layout)


def _expert_faults(model: Model, layout: Layout) -> Iterator[str]:
    shape, width = model.shape, layout.expert_width
    if shape.experts % layout.expert:
        yield f"ep {layout.expert}: {shape.experts} experts can't be shared evenly"
    if layout.experts % layout.expert:
        yield f"ep {layout.expert}: it must divide the {layout.experts} GPUs that hold the experts"
    if shape.moe_intermediate % width:
        yield f"tp {width}: an expert is {shape.moe_intermediate} wide, which {width} doesn't divide"
    elif model.block and (shape.moe_intermediate // width) % model.block:
        part = shape.moe_intermediate // width
        yield (
            f"tp {width}: an expert's {shape.moe_intermediate} / {width} = {part} is no multiple of "
            f"the quantization's block of {model.block}"
        )


def splits(gpus: int, engine: str) -> Iterator[Layout]:
    """Yield the splits that fill so many GPUs, without expert parallel, tensor parallel first."""
    for data in range(1, gpus + 1):
        for pipeline in range(1, gpus // data + 1):
            tensor, rest = divmod(gpus, data * pipeline)
            if not rest:
                yield Layout(tensor, pipeline, data, shared_experts_split=engine == "vllm" and data > 1)
