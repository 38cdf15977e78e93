"""The stages of an engine's start, as its log tells them: data in catalog/engines.yml. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from glmprov.catalog import read


@dataclass(frozen=True)
class Stage:
    """A stage and the pattern by which a line of the log speaks of it; a group "percent" says how far it is."""

    name: str
    pattern: str


@cache
def stages(engine: str) -> tuple[Stage, ...]:
    """Return the stages of an engine's start. For an image with its own launcher: of all engines."""
    known = read("stages.yml")
    names = [engine] if engine in known else list(known)
    return tuple(Stage(each["stage"], each["pattern"]) for name in names for each in known[name])
