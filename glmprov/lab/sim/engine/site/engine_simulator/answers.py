"""What the simulated model says: sums, a few facts, tool calls. The same question always gets the same answer."""

import json
import re
from dataclasses import dataclass
from typing import Any

from engine_simulator.faults import Fault

GARBAGE = "!" * 32
_NAMES_OF_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_WORDS = {word: number for number, word in enumerate(_NAMES_OF_NUMBERS)}
_NOTHING_TO_SAY = (
    "This is the engine simulator of the rehearsal fleet. It has no model, so it answers with this sentence."
)
_SIGNS = {
    **dict.fromkeys(("times", "x", "*", "×", "multiplied by"), lambda a, b: a * b),
    **dict.fromkeys(("plus", "+", "and"), lambda a, b: a + b),
    **dict.fromkeys(("minus", "-", "−"), lambda a, b: a - b),
    **dict.fromkeys(("divided by", "/", "÷"), lambda a, b: a // b if b else 0),
}
_NUMBER = rf"(\d+|{'|'.join(_WORDS)})"
_SUM = re.compile(
    rf"{_NUMBER}\s*({'|'.join(map(re.escape, sorted(_SIGNS, key=len, reverse=True)))})\s*{_NUMBER}", re.I
)
_CAPITALS = {
    "france": "Paris",
    "germany": "Berlin",
    "italy": "Rome",
    "japan": "Tokyo",
    "spain": "Madrid",
    "china": "Beijing",
}
_ORDER = re.compile(
    r"\b(?:say|reply with|repeat|answer with|respond with)\b[:\s]+"
    r"(?:only\s+|just\s+|exactly\s+)?(?:the\s+words?\s+)?[\"'`]?([^\"'`.?!\n]+)",
    re.I,
)
_PLACE = re.compile(r"\b(?:in|for|at|of)\s+((?:[A-Z][\w'-]*)(?:\s+[A-Z][\w'-]*)*)")


@dataclass(frozen=True)
class Answer:
    """What the model generates: its thoughts, and either text or a call of a tool."""

    text: str
    thoughts: str = ""
    call: tuple[str, dict[str, Any]] | None = None

    @property
    def raw_call(self) -> str:
        """The call as GLM-4.7 writes it: without a line break after the function's name."""
        assert self.call
        name, arguments = self.call
        pairs = "".join(
            f"<arg_key>{key}</arg_key><arg_value>{value if isinstance(value, str) else json.dumps(value)}</arg_value>"
            for key, value in arguments.items()
        )
        return f"<tool_call>{name}{pairs}</tool_call>"


def answer(question: str, tools: list[dict[str, Any]], choice: Any, *, thinks: bool, fault: Fault) -> Answer:
    """Return what the model answers to the last thing that was said."""
    if fault.kind == "no-tokens":
        return Answer("")
    if fault.kind == "garbage":
        return Answer(GARBAGE)
    thoughts = "The user wants a short answer." if thinks else ""
    called = None if fault.kind == "no-tool-calls" or choice == "none" else _call(question, tools, choice)
    return Answer("" if called else _text(question), thoughts, called)


def _text(question: str) -> str:
    if found := _SUM.search(question):
        first, second = (_number(found[1]), _number(found[3]))
        return str(_SIGNS[found[2].lower()](first, second))
    for country, capital in _CAPITALS.items():
        if "capital" in question.lower() and country in question.lower():
            return capital
    if found := _ORDER.search(question):
        return found[1].strip()
    return _NOTHING_TO_SAY


def _number(word: str) -> int:
    return _WORDS[word.lower()] if word.lower() in _WORDS else int(word)


def _call(question: str, tools: list[dict[str, Any]], choice: Any) -> tuple[str, dict[str, Any]] | None:
    functions = [tool.get("function", {}) for tool in tools if tool.get("type", "function") == "function"]
    if isinstance(choice, dict):
        wanted = choice.get("function", {}).get("name")
        functions = [one for one in functions if one.get("name") == wanted]
        choice = "required"
    said = set(re.findall(r"\w+", question.lower()))
    for one in functions:
        about = set(re.findall(r"[a-z]+", f"{one.get('name', '')} {one.get('description', '')}".lower())) - {
            "the",
            "a",
            "of",
            "for",
            "in",
            "get",
        }
        if choice == "required" or about & said:
            return str(one.get("name")), _arguments(question, one.get("parameters", {}))
    return None


def _arguments(question: str, schema: dict[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties", {})
    wanted = schema.get("required") or list(properties)
    return {name: _value(question, properties.get(name, {})) for name in wanted}


def _value(question: str, schema: dict[str, Any]) -> Any:
    number = re.search(r"\d+", question)
    kind = schema.get("type", "string")
    if schema.get("enum"):
        return next(
            (one for one in schema["enum"] if str(one).lower() in question.lower()), schema["enum"][0]
        )
    if kind in ("integer", "number"):
        return int(number[0]) if number else 1
    if kind == "boolean":
        return True
    if kind == "array":
        return [_value(question, schema.get("items", {}))]
    if kind == "object":
        return _arguments(question, schema)
    place = _PLACE.search(question)
    return place[1] if place else question.rstrip("?.! ").rpartition(" ")[2]


def tokens(text: str) -> list[str]:
    """Return a text in pieces as a tokenizer would make: words with the space before them, and signs."""
    return re.findall(r"\s*\w+|\s*[^\w\s]|\s+$", text)
