"""A recipe's file as it may be written: every key, what it wants and what it means. The JSON Schema is made of it."""

from __future__ import annotations

import datetime
import json
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, StrictBool, WithJsonSchema

_TEXT: dict[str, Any] = {"type": "string"}
_SCALAR = [_TEXT, {"type": "number"}, {"type": "boolean"}]
_LIST: dict[str, Any] = {"type": "array", "items": {"anyOf": [_TEXT, {"type": "number"}]}}


def _value(value: Any) -> Any:
    if isinstance(value, str | bool):
        return value
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return value
    raise ValueError("wants a value, true for a switch, or a list of values")


def _value_or_none(value: Any) -> Any:
    return None if value is None else _value(value)


def _variable(value: Any) -> Any:
    if isinstance(value, str):
        return value
    raise ValueError("wants text; in quotes, if it is true, false or empty")


def _variable_or_none(value: Any) -> Any:
    return None if value is None else _variable(value)


def _source(value: Any) -> Any:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, dict) and set(value) <= {"text", "url"} and isinstance(value.get("text"), str):
        return value
    raise ValueError(
        "wants the name of a source, with `: detail` behind it if need be, or a mapping of text and url"
    )


def _day(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        return datetime.date.fromisoformat(value)
    raise ValueError("wants a day, as in 2026-02-15")


def _count(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r"\d{1,9}", value):
        return int(value)
    raise ValueError("wants a whole number")


def _number(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,15}(\.\d{1,15})?", value):
        return float(value)
    raise ValueError("wants a number")


def _name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?", value):
        raise ValueError("wants small letters, digits, dots and dashes, as in my-recipe-1")
    return value


Value = Annotated[Any, PlainValidator(_value), WithJsonSchema({"anyOf": [*_SCALAR, _LIST]})]
ValueOrNone = Annotated[
    Any, PlainValidator(_value_or_none), WithJsonSchema({"anyOf": [*_SCALAR, _LIST, {"type": "null"}]})
]
Variable = Annotated[Any, PlainValidator(_variable), WithJsonSchema({"anyOf": [_TEXT, {"type": "number"}]})]
VariableOrNone = Annotated[
    Any,
    PlainValidator(_variable_or_none),
    WithJsonSchema({"anyOf": [_TEXT, {"type": "number"}, {"type": "null"}]}),
]
SourceText = Annotated[
    Any,
    PlainValidator(_source),
    WithJsonSchema(
        {
            "anyOf": [
                _TEXT,
                {
                    "type": "object",
                    "properties": {"text": _TEXT, "url": _TEXT},
                    "required": ["text"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
Name = Annotated[str, AfterValidator(_name)]
Day = Annotated[Any, PlainValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
Count = Annotated[Any, PlainValidator(_count), WithJsonSchema({"type": "integer", "minimum": 0})]
Number = Annotated[Any, PlainValidator(_number), WithJsonSchema({"type": "number"})]


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
