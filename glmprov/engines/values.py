"""Whether a flag's value is one that the engine's parser takes, in the parser's words where it isn't."""

from __future__ import annotations

import json
import re

from glmprov.engines.faults import Kind
from glmprov.engines.flags import Flag

# vLLM: k is 1000 and K is 1024. SGLang (0.5.23): k is 1000 and Ki is 1024. Decimals only with the decimal ones.
HUMAN = re.compile(r"\d+(?:\.\d+)?[kmgt]|\d+[KMGT]")
HUMAN_INSIDE_JSON = re.compile(r'("(?:[^"\\]|\\.)*")|\b(\d+)(?:\.\d+)?[kKmMgGtT]\b')
SI = re.compile(r"\d+(?:\.\d+)?[kMGT]|\d+[KMGT]i")
FUNCTIONS = {
    "human-int": "human_readable_int",
    "human-int-or-auto": "human_readable_int_or_auto",
    "json": "loads",
    "json-value": "loads",
    "json-or-str": "loads",
}
CLASSES = ("int", "float", "str", "bool")


WANTS = {"?": "at most one argument", "+": "at least one argument", "1": "1 argument"}


def counts(flag: Flag, most: int) -> tuple[int, int]:
    """Return how many values a flag takes at least and at most."""
    match flag.nargs:
        case None:
            return 1, 1
        case "?":
            return 0, 1
        case "*":
            return 0, most
        case "+":
            return 1, most
        case number:
            return int(number), int(number)


def wanted(flag: Flag) -> str:
    """Return how argparse says what a flag expects."""
    return "one argument" if flag.nargs is None else WANTS.get(str(flag.nargs), f"{flag.nargs} arguments")


def fault_of(flag: Flag, value: str) -> tuple[Kind, str] | None:
    """Return what the parser has against a value of a flag; None: nothing."""
    if flag.optional and value in ("", "None"):
        # It becomes None, which is fine; but where the text "None" is a choice (vLLM up to 0.23), None isn't.
        refused = Kind.BAD_CHOICE, f"argument {flag.label}: {_choice_message(flag, 'None')}"
        return refused if "None" in (flag.choices or ()) else None
    if not _converts(flag.type, value):
        return Kind.BAD_TYPE, f"argument {flag.label}: {_conversion_message(flag, value)}"
    if flag.choices is not None and not _is_choice(flag, value):
        return Kind.BAD_CHOICE, f"argument {flag.label}: {_choice_message(flag, value)}"
    return None


def _converts(kind: str, value: str) -> bool:
    try:
        match kind:
            case "int":
                int(value)
            case "float":
                float(value)
            case "human-int" | "human-int-or-auto":
                auto = kind == "human-int-or-auto" and value.strip().lower() == "auto"
                return auto or bool(HUMAN.fullmatch(value.strip())) or _converts("int", value)
            case "si-int":
                return bool(SI.fullmatch(value.strip())) or _converts("int", value)
            case "json" | "json-value" | "json-list":
                json.loads(value)
            case "json-config":
                return isinstance(
                    json.loads(HUMAN_INSIDE_JSON.sub(lambda match: match[1] or match[2], value)), dict
                )
            case "json-or-str" if re.match(r"(?s)^\s*{.*}\s*$", value):
                json.loads(value)
            case _:
                pass
    except ValueError:
        return False
    return True


def _conversion_message(flag: Flag, value: str) -> str:
    """Return argparse's words, or those of the engine's own converter."""
    name = FUNCTIONS.get(flag.type, flag.type)
    if flag.type == "json-list":
        return f"Invalid JSON list: {value}. Please provide a valid JSON list."
    if flag.type == "si-int":
        return f"Invalid integer value: {value!r}."
    if flag.type == "json-config":
        # Here pydantic says something longer.
        return f"not a JSON object: {value}"
    if flag.optional or flag.type in ("json-value", "json-or-str"):
        # vLLM wraps the converter of what may be None; the address of the function, at the end, is left out here.
        converter = f"<class '{name}'>" if name in CLASSES else f"<function {name}>"
        return f"Value {value} cannot be converted to {converter}."
    return f"invalid {name} value: {value!r}"


def converted(kind: str, value: str) -> str:
    """Return a value as its flag's converter leaves it, as text: what is compared with the choices."""
    if kind == "snake":
        return value.lower().replace("-", "_")
    if kind == "int":
        return str(int(value))
    return value


def _is_choice(flag: Flag, value: str) -> bool:
    choices = flag.choices or ()
    found = converted(flag.type, value)
    # Names that the engine reads after parsing, such as attention back ends, it takes in any case.
    return found in choices or (not flag.checked and found.lower() in {choice.lower() for choice in choices})


def _choice_message(flag: Flag, value: str) -> str:
    found = converted(flag.type, value)
    if not flag.checked:
        return f"{value!r} isn't one of {', '.join(flag.choices or ())}; the engine looks at it after parsing"
    shown = [
        repr(int(c)) if flag.type == "int" and c.lstrip("-").isdigit() else repr(c)
        for c in flag.choices or ()
    ]
    if flag.optional and "None" not in (flag.choices or ()):
        shown.append("None")
    return f"invalid choice: {found if flag.type == 'int' else repr(found)} (choose from {', '.join(shown)})"
