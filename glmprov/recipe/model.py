"""A recipe: the command that somebody published, and what makes it work today. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from glmprov.recipe.launch import Change, Launch, changed


@dataclass(frozen=True)
class Source:
    """Who says so: text names the publication, url where it can be read, if it can."""

    text: str
    url: str | None = None


@dataclass(frozen=True)
class Claim:
    """A number that its author measured. Shown beside what is measured here; never used to launch."""

    what: str
    value: float
    unit: str
    hardware: str
    author: str
    date: datetime.date | None
    source: Source
    note: str = ""


@dataclass(frozen=True)
class Correction:
    """A change to the published command, why it is needed, and who says so. fixes are the lint rules it answers."""

    change: Change
    reason: str
    source: Source
    fixes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Requirements:
    """What a host must have. cards are editions of the catalog; empty: any that we know."""

    gpus: int
    cards: tuple[str, ...] = ()
    minimum_driver: str | None = None


@dataclass(frozen=True)
class Gate:
    """When the service counts as up: tokens from a real completion, within start_seconds of its start.

    At deploy also sane text, and, where tool_call, a tool call that parses.
    """

    start_seconds: int = 1200
    prompt: str = "What is 6 times 7? Answer with the number only."
    expected: str = "42"
    """The answer holds this text."""
    tool_call: bool = True
    drain_seconds: int = 300


@dataclass(frozen=True)
class Recipe:
    """A recipe. published is word for word what the author gave; corrected is what we would start."""

    name: str
    title: str
    kind: Literal["serve", "quantize"]
    author: str
    date: datetime.date
    model: str
    """The model's id on the hub, "zai-org/GLM-4.7-FP8"."""
    requires: Requirements
    published: Launch
    alias: str = ""
    hardware: str = ""
    """What its author ran it on."""
    revision: str | None = None
    """The model's revision. None: whatever `lock` resolves."""
    corrections: tuple[Correction, ...] = ()
    claims: tuple[Claim, ...] = ()
    gate: Gate = field(default_factory=Gate)
    auth: Literal["key", "none"] = "key"
    moe_config: str | None = None
    """A tuned fused-MoE file to mount: a path on the control machine. The engine's own name for it is computed."""
    published_text: str = ""
    """The command or script as it was published, with its line breaks."""
    version_note: str = ""
    """How the published form's release is known, if its author doesn't name it."""
    corrected_text: str = ""
    """For a kind that isn't served: the script that works today."""
    instead: Mapping[str, str] = field(default_factory=dict)
    """For a kind that isn't served: what to type instead, by verb."""
    place: str = ""
    """Where it was read: a file, or the name of a recipe that is shipped."""

    @cached_property
    def corrected(self) -> Launch:
        """What makes the published command work today, applied."""
        launch = self.published
        for correction in self.corrections:
            launch = changed(launch, correction.change, "correction")
        return launch
