"""What a launch is judged for: cards, driver, and what kind of checkpoint it loads. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from glmprov.catalog.models import Model
from glmprov.topology import Topology


@dataclass(frozen=True)
class Target:
    """The hosts that a launch is judged for. What is empty or None isn't known; the recipe's requirements hold then.

    cards are NVML names, one for each kind of card. environment is the host's default (`nccl_env`), below the
    recipe's own. moe_config is the text of the recipe's own tuned file of the fused-MoE kernel; moe_configs are those
    that the image on the host holds, by folder (see engines/moe.py), not what the catalogue says of its release.
    topology says how the host's cards reach each other.
    """

    gpus: int | None = None
    cards: tuple[str, ...] = ()
    driver: str | None = None
    model: Model | None = None
    moe_config: str | None = None
    moe_configs: Mapping[str, Sequence[str]] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    topology: Topology | None = None
