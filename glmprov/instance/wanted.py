"""What a person asks of an instance, beyond the recipe: on the command line and in the inventory. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from glmprov.engines.meaning import engine_of
from glmprov.errors import UsageError
from glmprov.recipe import Change, Launch, Value
from glmprov.recipe.launch import changed

DEFAULT_NAME = "glm"
"""An instance that nobody names: the next recipe that is deployed without a name takes its place."""


@dataclass(frozen=True)
class Wanted:
    """What is asked of an instance. None: the recipe decides, or the host.

    gpus is "" for as many as needed, wherever they are free; a number; the name of a set; or UUIDs with commas
    between them. environment and arguments are the inventory's change, sets the command line's. venv is a folder on
    the host. model is an id on the hub, or a folder on the host with a model of one's own; weights is a folder on the
    host that holds the recipe's model, weights_from a place that it is copied from. bind False: not bound to the cards'
    socket. prefer are the cards that it has now: it keeps them where nothing speaks against it.
    """

    name: str = DEFAULT_NAME
    gpus: str = ""
    port: int | None = None
    listen: str | None = None
    model: str | None = None
    inventory: Change = field(default_factory=Change)
    sets: Change = field(default_factory=Change)
    as_published: bool = False
    accepted: tuple[str, ...] = ()
    venv: str | None = None
    weights: str | None = None
    weights_from: str | None = None
    bind: bool = True
    auth: Literal["key", "none"] | None = None
    stop_seconds: int | None = None
    start_seconds: int | None = None
    prefer: tuple[str, ...] = ()
    port_origin: str = "--port"


_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")


def is_folder(model: str | None) -> bool:
    """Say whether a model that is asked for is a folder on the host, and no id on a hub."""
    return model is not None and model.startswith("/")


def model_name(model: str) -> str:
    """Return what a model is called: its id, or the name of its folder."""
    return (model.rstrip("/").rpartition("/")[2] or model) if is_folder(model) else model


def parse_sets(words: Iterable[str]) -> Change:
    """Given "port=1", "NCCL_DEBUG=INFO", "enable-metrics", "max-num-seqs=null", return the change that they make.

    A name in capitals is an environment variable, "docker.NAME" an option of `docker run`, "image" and "version" are
    the launch's own; anything else is an argument of the engine. Without "=" it is a switch; "null" takes it away.
    Raise UsageError for what is none of these.
    """
    arguments: dict[str, Value | None] = {}
    environment: dict[str, str | None] = {}
    options: dict[str, Value | None] = {}
    version: str | None = None
    image: str | None = None
    for word in words:
        name, has_value, text = word.partition("=")
        name, value = name.strip().lstrip("-"), None if text == "null" else text
        if not name or re.search(r"\s", name):
            raise UsageError(f"--set: {word!r} names nothing", next_step="write --set max-model-len=65536")
        if _VARIABLE.fullmatch(name):
            environment[name] = value if has_value else ""
        elif name.startswith("docker."):
            options[name.removeprefix("docker.")] = value if has_value else True
        elif name == "image":
            image = text
        elif name == "version":
            version = text
        else:
            arguments[name.replace("_", "-")] = value if has_value else True
    return Change(version=version, image=image, arguments=arguments, environment=environment, options=options)


def given(launch: Launch, change: Change, origin: str) -> Launch:
    """Return the launch with a person's change: an argument that it has under another name is meant all the same."""
    return changed(
        launch, replace(change, arguments={_meant(launch, n): v for n, v in change.arguments.items()}), origin
    )


def _meant(launch: Launch, name: str) -> str:
    """Return the name under which a launch has an argument that means the same, or name itself."""
    if name in launch.arguments:
        return name
    engine = engine_of(launch)
    alone = replace(launch, arguments={name: True})
    meaning = next((each for each in engine.arguments if engine.name_in(alone, each) is not None), None)
    return (meaning and engine.name_in(launch, meaning)) or name
