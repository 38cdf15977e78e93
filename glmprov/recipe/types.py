"""Types of what stands in a recipe's file: text as it was written → what is meant, never silently."""

from __future__ import annotations

import datetime
import re
from typing import Annotated, Any

from pydantic import AfterValidator, PlainValidator, WithJsonSchema

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
