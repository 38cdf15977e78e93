"""A launch with all that a rule may ask about it. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from glmprov import catalog
from glmprov.engines.meaning import Engine, engines
from glmprov.lint.target import Target
from glmprov.recipe import Launch, Recipe, Value

MODEL_IN_SCRIPT = re.compile(r"""\b(?:MODEL_ID|model_stub)\s*=\s*["']([^"']+)["']""")
"""How a script for llm-compressor names its model."""


class Flags(Protocol):
    """What a release of an engine takes, reads and ships (see engines/flags.py)."""

    @property
    def moe_configs(self) -> Mapping[str, Sequence[str]]:
        """The tuned files of the fused-MoE kernel, by folder."""

    @property
    def variables(self) -> Collection[str]:
        """The environment variables that the release reads."""

    def full_name(self, name: str) -> str:
        """Return the name that an argument's name stands for: an alias or an abbreviation; else the name itself."""


@dataclass(frozen=True)
class Situation:
    """A launch, its recipe, and the hosts that it is judged for.

    Arguments are asked for by what they mean ("kv_cache_type", see catalog/engines.yml) or by their full name;
    however the launch abbreviates them.
    """

    launch: Launch
    recipe: Recipe
    target: Target
    flags: Flags | None = None
    """What this release takes. None: the catalogue has no release of this engine."""
    as_published: bool | None = None
    """Whether the launch is the published form. None: by the origins of its values."""

    @cached_property
    def engine(self) -> Engine:
        """The launch's engine. One that serves nothing has no arguments to reason about."""
        return engines().get(self.launch.engine, engines()["image"])

    @property
    def own_launcher(self) -> bool:
        """Whether the image decides what is launched, so that nobody knows its arguments."""
        return self.launch.engine == "image"

    @cached_property
    def _by_name(self) -> Mapping[str, str]:
        """Full name → name as written."""
        return {self._full(name): name for name in self.launch.arguments}

    def written(self, name: str) -> str | None:
        """Return an argument's name as the launch has it, by meaning or full name. None: it isn't given."""
        if name in self.engine.arguments:
            meant = self.engine.name_in(self.launch, name)
            if meant is not None:
                return meant
        names = self.engine.arguments.get(name, (name,))
        return next((self._by_name[full] for full in map(self._full, names) if full in self._by_name), None)

    def argument(self, name: str) -> Value | None:
        """Return the value that the launch gives. None: it doesn't."""
        name_there = self.written(name)
        return None if name_there is None else self.launch.arguments[name_there]

    def count(self, name: str, default: int = 1) -> int:
        """Return an argument's whole number; default where it isn't given, or no number."""
        value = self.argument(name)
        return int(value) if isinstance(value, str) and value.isdigit() else default

    def place(self, kind: str, name: str) -> str:
        """Return where something stands: "arguments.tp"; where it would stand, if it isn't given."""
        if kind == "arguments":
            there = self.written(name) or self.engine.written(name) or name
            return f"arguments.{there}"
        if kind == "environment" and name not in self.launch.environment and name in self.target.environment:
            return f"host environment.{name}"
        return f"{kind}.{name}"

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """What the engine's process gets: the host's default, overridden by the launch's own."""
        return {**self.target.environment, **self.launch.environment}

    @cached_property
    def gpus(self) -> int:
        """The GPUs of a host; what the recipe requires, where no host is named."""
        return self.recipe.requires.gpus if self.target.gpus is None else self.target.gpus

    @cached_property
    def cards(self) -> tuple[str, ...]:
        """NVML names of the cards; where no host is named, each that the recipe may run on."""
        if self.target.cards:
            return self.target.cards
        editions = self.recipe.requires.cards
        return tuple(c.name for c in catalog.load().cards if not editions or c.edition in editions)

    @property
    def published(self) -> bool:
        """Whether the recipe has corrections, and the launch is without them."""
        if self.as_published is not None:
            return self.as_published
        return bool(self.recipe.corrections) and "correction" not in self.launch.origins.values()

    @property
    def text(self) -> str:
        """The command or script as it was published; the corrected one, if the recipe has one and it is that."""
        recipe = self.recipe
        return recipe.published_text if self.published else recipe.corrected_text or recipe.published_text

    @property
    def moe_configs(self) -> Mapping[str, Sequence[str]]:
        """Tuned files of the fused-MoE kernel that the release ships, by folder."""
        return {} if self.flags is None else self.flags.moe_configs

    @property
    def gpus_used(self) -> int:
        """How many GPUs the launch takes."""
        replicas = self.count("data_parallel")
        if self.launch.engine == "sglang" and self.argument("enable-dp-attention"):
            replicas = 1  # it divides the tensor-parallel group
        return self.count("tensor_parallel") * self.count("pipeline_parallel") * replicas

    @property
    def model(self) -> str:
        """The model that the launch or the script names: an id or a path; the recipe's, if it names none."""
        value = self.argument("model")
        if isinstance(value, str):
            return value
        named = MODEL_IN_SCRIPT.search(self.text) if self.recipe.kind == "quantize" else None
        return named[1] if named else self.recipe.model

    def _full(self, name: str) -> str:
        return name if self.flags is None else self.flags.full_name(name)
