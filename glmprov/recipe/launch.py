"""One form of a launch: what is started, in the engine's own spelling, and where each value comes from. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

T = TypeVar("T")

NUMBER = re.compile(r"^-?\d+(\.\d+)?$")
"""A value that begins with a dash and is no name, to argparse as to us."""

Value = str | bool | tuple[str, ...]
"""A value as text; True: a switch; a tuple: several values.

An engine's argument takes them behind its name, `--cuda-graph-bs 1 2`; an option of `docker run` is given each time.
"""


@dataclass(frozen=True)
class Launch:
    """A command with its environment, and the container that it runs in.

    arguments and options hold values by name, in the order in which they are written. A name has no dashes: one
    letter is `-p`, more is `--tp`; a name that begins with a dash is written as it is (`-tp`). "" is what stands
    without a name (`vllm serve MODEL`).
    """

    engine: str
    """"vllm", "sglang", or "image": an image with its own launcher."""
    version: str
    """The engine's release, "0.16.0". "": nobody can know, a tag that moves or an image of its own."""
    launcher: tuple[str, ...] = ()
    """What stands before the arguments: ("vllm", "serve"). Empty: the image's own entry point."""
    arguments: Mapping[str, Value] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    image: str | None = None
    """The container's image. None: the engine runs from a virtual environment."""
    options: Mapping[str, Value] = field(default_factory=dict)
    """Options of `docker run`."""
    requirements: str | None = None
    """The virtual environment's lock file, with hashes."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Who set a value, by its place: "arguments.port" → "--set". What isn't here was published so."""

    def argv(self) -> tuple[str, ...]:
        """Return the command as the engine sees it."""
        return (*self.launcher, *words(self.arguments, repeat=False))

    def origin(self, place: str) -> str:
        """Return who set the value at a place, "arguments.port" say."""
        return self.origins.get(place, "published")


@dataclass(frozen=True)
class Change:
    """What turns one launch into another. None as a value takes the argument, option or variable away.

    renamed keeps an argument's place and value and gives it another name.
    """

    version: str | None = None
    launcher: tuple[str, ...] | None = None
    image: str | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, Value | None] = field(default_factory=dict)
    environment: Mapping[str, str | None] = field(default_factory=dict)
    options: Mapping[str, Value | None] = field(default_factory=dict)


def changed(launch: Launch, change: Change, origin: str) -> Launch:
    """Return the launch with the change made, and origin noted at every place that it touches."""
    arguments = {change.renamed.get(name, name): value for name, value in launch.arguments.items()}
    return replace(
        launch,
        version=launch.version if change.version is None else change.version,
        launcher=launch.launcher if change.launcher is None else change.launcher,
        image=change.image or launch.image,
        arguments=_merged(arguments, change.arguments),
        environment=_merged(launch.environment, change.environment),
        options=_merged(launch.options, change.options),
        origins={**launch.origins, **dict.fromkeys(_places(change), origin)},
    )


def words(named: Mapping[str, Value], *, repeat: bool = True) -> tuple[str, ...]:
    """Return arguments or options as argv. False is left out; repeat: the name stands before each of several values."""
    return tuple(word for name, value in named.items() for word in _words(name, value, repeat))


def spelled(name: str) -> str:
    """Return a name as it is written on a command line: "tp" → "--tp", "p" → "-p", "-tp" → "-tp"."""
    if not name or name.startswith("-"):
        return name
    return f"-{name}" if len(name) == 1 else f"--{name}"


def _words(name: str, value: Value, repeat: bool) -> Sequence[str]:
    if value is False:
        return ()
    if value is True:
        return (spelled(name),)
    values = (value,) if isinstance(value, str) else value
    if not name:
        return values
    if not repeat and len(values) > 1:
        return (spelled(name), *values)
    return tuple(word for each in values for word in _pair(spelled(name), each))


def _pair(name: str, value: str) -> Sequence[str]:
    """Return name and value; in one word, where the value would be taken for another name."""
    looks_like_a_name = value.startswith("-") and not NUMBER.match(value)
    return (f"{name}={value}",) if looks_like_a_name and name.startswith("--") else (name, value)


def _merged(before: Mapping[str, T], change: Mapping[str, T | None]) -> Mapping[str, T]:
    merged = {name: change.get(name, value) if name in change else value for name, value in before.items()}
    merged |= {name: value for name, value in change.items() if name not in before}
    return {name: value for name, value in merged.items() if value is not None}


def _places(change: Change) -> Iterator[str]:
    for name in ("version", "launcher", "image"):
        if getattr(change, name) is not None:
            yield name
    yield from (f"arguments.{name}" for name in (*change.renamed.values(), *change.arguments))
    yield from (f"environment.{name}" for name in change.environment)
    yield from (f"options.{name}" for name in change.options)
