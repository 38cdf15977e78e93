"""What each engine calls what we reason about: data in catalog/engines.yml, read here. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from glmprov.catalog import read
from glmprov.recipe.launch import Launch, Value


@dataclass(frozen=True)
class Engine:
    """An engine, as far as we reason about it. arguments are its names, by what they mean.

    The first name of each is the one that we write; the others are read too.
    """

    name: str
    default_port: int
    arguments: Mapping[str, tuple[str, ...]]
    renderer: str
    """"arguments" or "environment": how it is told what only the host knows."""
    api_key_environment: str | None
    api_key_file: Mapping[str, str] | None
    """For one that takes its key from a YAML file: the argument that names the file, and the key's name in it."""
    tells_key: Mapping[str, str] | None
    """For one whose log tells its key: the logger that does, and the variable that names a logging configuration."""
    defaults: Mapping[str, str]
    """Variables below all that anybody sets."""
    caches: Mapping[str, str]
    """Variables that name a folder for what is compiled at the start, with the folder's name."""
    running_requests_metric: str | None
    generated_tokens_metric: str | None
    moe_config_environment: str | None

    def written(self, meaning: str) -> str | None:
        """Return the argument's name that means "port", say. None: the engine takes no such argument."""
        return next(iter(self.arguments.get(meaning, ())), None)

    def name_in(self, launch: Launch, meaning: str) -> str | None:
        """Return the name under which a launch gives it, abbreviations included. None: it doesn't."""
        names = self.arguments.get(meaning, ())
        exact = next((name for name in launch.arguments if name in names), None)
        if exact is not None:
            return exact
        return next((name for name in launch.arguments if self._abbreviates(name, names)), None)

    def given(self, launch: Launch, meaning: str) -> Value | None:
        """Return the value that a launch gives. None: it doesn't, so the engine's default holds."""
        name = self.name_in(launch, meaning)
        return None if name is None else launch.arguments[name]

    def number(self, launch: Launch, meaning: str, default: int = 1) -> int:
        """Return a count that a launch gives, default where it gives none. Raise ValueError if it is no number."""
        value = self.given(launch, meaning)
        return default if value is None or isinstance(value, (bool, tuple)) else int(value)

    def _abbreviates(self, name: str, names: tuple[str, ...]) -> bool:
        if not name or name.startswith("-"):
            return False
        known = {full for each in self.arguments.values() for full in each}
        meant = [full for full in known if full.startswith(name)]
        return len(meant) == 1 and meant[0] in names


@cache
def engines() -> Mapping[str, Engine]:
    """Return the engines that we know, by name."""
    return {name: _engine(name, content) for name, content in read("engines.yml").items()}


def engine_of(launch: Launch) -> Engine:
    """Return the engine of a launch."""
    return engines()[launch.engine]


def _engine(name: str, content: Mapping[str, Any]) -> Engine:
    arguments = {meaning: tuple(names) for meaning, names in content["arguments"].items()}
    return Engine(name, **{**content, "arguments": arguments})
