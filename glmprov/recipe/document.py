"""A recipe's file as it may be written: every key, what it wants and what it means. The JSON Schema is made of it."""

from __future__ import annotations

import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from glmprov.recipe.types import (
    Count,
    Day,
    Name,
    Number,
    SourceText,
    Value,
    ValueOrNone,
    Variable,
    VariableOrNone,
)


class _Part(BaseModel):
    """A part of the file. An unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)


class Requires(_Part):
    """What a host must have."""

    gpus: Count = Field(description="How many cards.")
    cards: list[str] = Field(
        default=[], description="Editions of the catalog, `Server` say. Empty: any that we know."
    )
    minimum_driver: str | None = Field(default=None, description="The oldest driver that runs it.")


class Published(_Part):
    """The launch as its author published it: the command as text, or its parts."""

    command: str | None = Field(default=None, description="Word for word, with its line breaks.")
    script: str | None = Field(default=None, description="Word for word, for kind `quantize`.")
    engine: Literal["vllm", "sglang", "image", "llmcompressor"] | None = Field(
        default=None, description="Read from the command, if there is one."
    )
    version: str = Field(
        default="",
        description="The engine's release, 0.16.0. Empty: read from the image's tag, or nobody can know.",
    )
    version_note: str = Field(
        default="", description="How the release is known, if the author doesn't name it."
    )
    launcher: list[str] = Field(default=[], description="What stands before the arguments: [vllm, serve].")
    arguments: dict[str, Value] = Field(
        default={}, description="By name without dashes, in the engine's spelling."
    )
    environment: dict[str, Variable] = Field(default={}, description="Variables of the engine.")
    image: str | None = Field(default=None, description="The container's image.")
    options: dict[str, Value] = Field(
        default={}, description="Options of `docker run`, by name without dashes."
    )
    requirements: str | None = Field(
        default=None,
        description="Runs from a virtual environment with this lock file, and not from an image.",
    )


class Corrected(_Part):
    """A change to the published launch, why it is needed, and who says so. null takes something away."""

    because: str | None = Field(
        default=None, description="The name of a reason that we ship, instead of the two below."
    )
    reason: str | None = Field(default=None, description="Why.")
    source: SourceText | None = Field(default=None, description="Who says so: a name of `sources`.")
    fixes: list[str] = Field(default=[], description="Ids of the lint rules that it answers.")
    version: str | None = None
    launcher: list[str] | None = None
    image: str | None = None
    renamed: dict[str, str] = Field(
        default={}, description="Arguments that keep their place under another name."
    )
    arguments: dict[str, ValueOrNone] = {}
    environment: dict[str, VariableOrNone] = {}
    options: dict[str, ValueOrNone] = {}


class Claimed(_Part):
    """A number that somebody measured. Shown beside what is measured here."""

    what: str
    value: Number
    unit: str
    hardware: str
    author: str
    date: Day | None = None
    source: SourceText
    note: str = ""


class Gated(_Part):
    """When the service counts as up."""

    start_seconds: Count = Field(
        default=1200, description="How long a cold start may take until the first tokens."
    )
    prompt: str = Field(
        default="What is 6 times 7? Answer with the number only.", description="What it is asked."
    )
    expected: str = Field(default="42", description="Text that the answer holds.")
    tool_call: StrictBool = Field(default=True, description="At deploy, a tool call must parse too.")
    drain_seconds: Count = Field(
        default=300, description="How long running requests may take to end before it is stopped."
    )


class Document(_Part):
    """A recipe."""

    name: Name
    alias: Name | Literal[""] = Field(default="", description="A name that says what it is.")
    title: str = Field(description="One line.")
    kind: Literal["serve", "quantize"] = "serve"
    author: str = Field(description="Who published it.")
    date: Day = Field(description="When.")
    model: str = Field(description="The model's id on the hub.")
    revision: str | None = Field(
        default=None, description="The model's revision. Without: what `recipe lock` finds."
    )
    hardware: str = Field(default="", description="What its author ran it on.")
    requires: Requires
    published: Published
    corrections: list[Corrected] = Field(
        default=[], description="What makes the published form work today, in order."
    )
    claims: list[Claimed] = []
    gate: Gated | None = None
    auth: Literal["key", "none"] = Field(default="key", description="key: one is made for each instance.")
    moe_config: str | None = Field(default=None, description="A tuned fused-MoE file to mount.")
    corrected_script: str = Field(default="", description="For kind `quantize`: the script that works today.")
    instead: dict[str, str] = Field(
        default={}, description="For kind `quantize`: what to type instead, by verb."
    )
    sources: dict[str, SourceText] = Field(default={}, description="Publications, by a short name.")


def json_schema() -> str:
    """Return the JSON Schema of a recipe's file: the text of docs/recipe.schema.json."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A glmprov recipe",
        **Document.model_json_schema(),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
