"""What a launch is judged for: cards, driver, and what kind of checkpoint it loads. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from glmprov.catalog.models import Model


@dataclass(frozen=True)
class Target:
    """The hosts that a launch is judged for. What is empty or None isn't known; the recipe's requirements hold then.

    moe_config is the text of the recipe's own tuned file for the fused-MoE kernel.
    cards are NVML names, one for each kind of card. environment is the host's default (`nccl_env`), below the
    recipe's own.
    """

    gpus: int | None = None
    cards: tuple[str, ...] = ()
    driver: str | None = None
    model: Model | None = None
    moe_config: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
