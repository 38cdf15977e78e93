"""A launch, and what only the host knows → the launch as it is started. One pure function a kind of engine."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace

from glmprov.engines.meaning import Engine, engine_of
from glmprov.recipe.launch import Change, Launch, Value, changed

KEY = "{key}"
"""Stands for the API key in a variable's value. Such a variable goes into a file that only root reads."""


@dataclass(frozen=True)
class Surroundings:
    """What only the host knows, as the engine sees it.

    model is the folder of the weights, or the model's id where nobody knows yet; key_file the file that gives the
    key to an engine that takes it so, None for no key.
    """

    model: str
    served_name: str
    listen: str
    port: int
    key_file: str | None = None


def rendered(launch: Launch, around: Surroundings) -> Launch:
    """Return the launch as it is started, with "host" as the origin of what the host says."""
    engine = engine_of(launch)
    return RENDERERS[engine.renderer](launch, engine, around)


def by_arguments(launch: Launch, engine: Engine, around: Surroundings) -> Launch:
    """Tell an engine by its arguments: where the weights are, under which name, and where to listen."""
    said: dict[str, str] = {"model": around.model, "host": around.listen, "port": str(around.port)}
    if engine.given(launch, "served_name") is None:
        said["served_name"] = around.served_name
    named = {_name(launch, engine, meaning): value for meaning, value in said.items()}
    arguments: dict[str, Value | None] = {name: value for name, value in named.items() if name is not None}
    if around.key_file and engine.api_key_file:
        arguments[engine.api_key_file["argument"]] = around.key_file
    new = {name: value for name, value in arguments.items() if launch.arguments.get(name) != value}
    return changed(launch, Change(arguments=new), "host")


def _name(launch: Launch, engine: Engine, meaning: str) -> str | None:
    given = engine.name_in(launch, meaning)  # "" is a name too: `vllm serve MODEL`
    return engine.written(meaning) if given is None else given


def by_environment(launch: Launch, _: Engine, around: Surroundings) -> Launch:
    """Tell an image with its own launcher: fill in {model}, {served_name}, {listen} and {port} in its variables."""
    known = {name: str(value) for name, value in asdict(around).items()}
    filled = {name: _filled(value, known) for name, value in launch.environment.items()}
    return replace(launch, environment=filled)


def _filled(value: str, known: Mapping[str, str]) -> str:
    return re.sub(r"\{(model|served_name|listen|port)\}", lambda match: known[match[1]], value)


RENDERERS: Mapping[str, Callable[[Launch, Engine, Surroundings], Launch]] = {
    "arguments": by_arguments,
    "environment": by_environment,
}
