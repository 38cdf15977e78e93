"""How many parameters a shape has, by what becomes of them. Pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

from glmprov.catalog.models import Shape

MATRICES = 3
"""Of a feed-forward block: gate, up, down."""


@dataclass(frozen=True)
class Parameters:
    """Counts. linear holds what a quantization touches (routed experts among it), wide what stays in 16 bits.

    mtp_linear and mtp_wide are the layers for multi-token prediction; embedding and output are shared with the model.
    """

    linear: int
    routed: int
    wide: int
    mtp_linear: int
    mtp_wide: int

    @property
    def routed_share(self) -> float:
        """The routed experts' share of the linear layers."""
        return self.routed / self.linear if self.linear else 0.0


def parameters(shape: Shape) -> Parameters:
    """Count a shape's parameters. Norms and biases are left out: they are less than 0.1 % of GLM-4.7."""
    attention = 2 * shape.hidden * shape.head_dim * (shape.heads + shape.kv_heads)
    expert = MATRICES * shape.hidden * shape.moe_intermediate
    sparse = shape.layers - shape.dense_layers if shape.experts else 0
    dense = (shape.layers - sparse) * MATRICES * shape.hidden * shape.dense_intermediate
    router = shape.experts * shape.hidden
    block = attention + (shape.experts + shape.shared_experts) * expert
    return Parameters(
        linear=shape.layers * attention + dense + sparse * (shape.experts + shape.shared_experts) * expert,
        routed=sparse * shape.experts * expert,
        wide=2 * shape.vocabulary * shape.hidden + sparse * router,
        mtp_linear=shape.mtp_layers * block,
        mtp_wide=shape.mtp_layers * (2 * shape.hidden * shape.hidden + router),
    )


LINEAR_BYTES = {
    "none": 2,
    "fp8_per_channel": 1,
    "fp8_per_tensor": 1,
    "fp8_block": 1 + 2 / 128**2,
    "nvfp4": 4 / 8 + 1 / 16,
    "int4_group": 4 / 8 + 2 / 128 + 0.5 / 128,
}
"""Bytes a quantized parameter takes with its scales: 16 bits for every block of 128×128 or group of 128, 8 for 16."""


def derived_bytes(shape: Shape, quantization: str) -> tuple[int, int]:
    """Return the weights' bytes without the MTP layers, and theirs. Raise KeyError for a kind that we don't know."""
    count, linear = parameters(shape), LINEAR_BYTES[quantization]
    return int(count.linear * linear) + 2 * count.wide, int(count.mtp_linear * linear) + 2 * count.mtp_wide
