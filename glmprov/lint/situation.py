"""A launch with all that a rule may ask about it. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from glmprov import catalog
from glmprov.engines.flags import ENGINES, Catalogue, catalogue, versions
from glmprov.engines.meaning import Engine, engines
from glmprov.engines.tokens import option
from glmprov.engines.version import is_release
from glmprov.lint.finding import Answer, unknown
from glmprov.lint.target import Target
from glmprov.recipe import Launch, Recipe, Value, spelled, words

if TYPE_CHECKING:
    from glmprov.engines.faults import Fault

MODEL_IN_SCRIPT = r"""\b(?:MODEL_ID|model_stub)\s*=\s*["']([^"']+)["']"""
"""How a script for llm-compressor names its model."""


@dataclass(frozen=True)
class Situation:
    """A launch, its recipe, and the hosts that it is judged for.

    Arguments are asked for by what they mean ("kv_cache_type", see catalog/engines.yml) or by their full name;
    however the launch abbreviates them.
    """

    launch: Launch
    recipe: Recipe
    target: Target
    catalogue: Catalogue | None = None
    """What this release takes, or the nearest that is known. None: nobody knows which release it is."""
    as_published: bool | None = None
    """Whether the launch is the published form. None: by the origins of its values."""

    @cached_property
    def engine(self) -> Engine:
        """The launch's engine. One that serves nothing has no arguments to reason about."""
        return engines().get(self.launch.engine, engines()["image"])

    @cached_property
    def version(self) -> str:
        """The engine's release. "": nobody knows which."""
        return self.launch.version if is_release(self.launch.version) else ""

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
        """Tuned files of the fused-MoE kernel, by folder: those of the image on the host, else those of the release."""
        if self.target.moe_configs is not None:
            return self.target.moe_configs
        return {} if self.catalogue is None else self.catalogue.moe_configs

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
        named = re.search(MODEL_IN_SCRIPT, self.text) if self.recipe.kind == "quantize" else None
        return named[1] if named else self.recipe.model

    @cached_property
    def catalogues(self) -> tuple[Catalogue, ...]:
        """What it is held against: its release's catalogue; where nobody knows the release, all of the engine."""
        if self.catalogue is not None:
            return (self.catalogue,)
        engine = self.launch.engine
        return tuple(catalogue(engine, each) for each in versions(engine)) if engine in ENGINES else ()

    @cached_property
    def parser_faults(self) -> Mapping[str, tuple[Fault, ...]]:
        """What the engine's own parser says of the arguments, by release."""
        from glmprov.engines.parsing import parse

        # /usr/bin/python3.12 -m … is the command that the catalogue calls python -m …
        program = re.sub(
            r"^(?:\S*/)?(python|vllm|sglang)[\d.]*(?=\s|$)", r"\1", " ".join(self.launch.launcher)
        )
        command = program or None
        argv = words(self.launch.arguments, repeat=False)
        return {each.version: parse(each, argv, command=command).faults for each in self.catalogues}

    def _full(self, name: str) -> str:
        """Return the full name that an alias or an abbreviation stands for; else the name itself."""
        if self.catalogue is None or not name:
            return name
        found = option(self.catalogue, spelled(name.replace("_", "-")))
        flag = (
            self.catalogue.flag(found.matches[0]) if found is not None and len(found.matches) == 1 else None
        )
        return name if flag is None else flag.name.lstrip("-")


def only_for(situation: Situation, releases: Collection[str], place: str) -> Answer:
    """Return that it holds for some releases, and nobody knows which one it is."""
    engine = situation.launch.engine
    return unknown(f"it holds for {engine} {', '.join(releases)} only, and nobody knows the release", place)
