"""An engine's words → its arguments by name, and which engine they start. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from glmprov.recipe.launch import NUMBER, Value

MODULES = {"vllm.entrypoints.openai.api_server": "vllm", "sglang.launch_server": "sglang"}
"""Modules that `python -m` starts a server with, and whose server it is."""
_SWITCH = re.compile(r"^(enable|disable|no|trust|skip|allow|use)-")
"""Arguments so named take no value: before the model is named, what stands behind one is the model."""


@dataclass
class Named:
    """Names with values, as they are read."""

    values: dict[str, Value] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def launcher_of(words: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return the engine that the words start, and those of them that start it; ("", ()) for any other program."""
    program = words[0].rpartition("/")[2] if words else ""
    if program in ("vllm", "sglang") and list(words[1:2]) == ["serve"]:
        return program, (words[0], "serve")
    if re.fullmatch(r"python[\d.]*", program) and "-m" in words:
        end = words.index("-m") + 2
        engine = MODULES.get(words[end - 1], "") if len(words) >= end else ""
        if engine and all(word.startswith("-") for word in words[1 : end - 2]):
            return engine, tuple(words[:end])
    return "", ()


def arguments(words: Sequence[str], *, positional: bool = False) -> Named:
    """Return an engine's arguments by name. positional: one may stand without a name, `vllm serve MODEL`."""
    read = Named()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not is_name(word):
            _put(read, "", word)
            continue
        name, equals, value = word.partition("=")
        key = name[2:] if name.startswith("--") else name if len(name) > 2 else name[1:]
        wants_model = positional and not {"", "model"} & set(read.values)
        switch = wants_model and _SWITCH.match(key.replace("_", "-"))
        if equals:
            _put(read, key, value)
        elif switch or not rest or is_name(rest[0]):
            _put(read, key, True)
        else:
            values = [rest.pop(0)]
            while rest and not is_name(rest[0]):
                values.append(rest.pop(0))
            _put(read, key, values[0] if len(values) == 1 else tuple(values))
    if positional and "" not in read.values and "model" not in read.values:
        _find_model(read)
    return read


def _find_model(read: Named) -> None:
    """The model may stand last, where it looks like a second value of the argument before it."""
    for name, value in read.values.items():
        if isinstance(value, tuple) and len(value) == 2 and "/" in value[1]:
            read.values = {"": value[1], **read.values, name: value[0]}
            return


def _put(read: Named, name: str, value: Value) -> None:
    if name in read.values:
        said = f"--{name}" if name else value
        read.notes.append(f"{said} is given twice; as in the engine, the last one counts")
    read.values[name] = value


def is_name(word: str) -> bool:
    """Say whether a word names an argument: it begins with a dash and is no number."""
    return word.startswith("-") and len(word) > 1 and not NUMBER.match(word)


def takes_model(engine: str, launcher: Sequence[str]) -> bool:
    """Say whether the model may stand without a name: behind `vllm serve`, and behind vLLM's own image."""
    return engine == "vllm" and tuple(launcher[-2:-1]) != ("-m",)
