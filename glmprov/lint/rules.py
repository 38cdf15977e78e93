"""The rules: data in catalog/rules.yml, read here. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from glmprov.catalog import read
from glmprov.lint.conditions import Condition
from glmprov.lint.finding import Level, Side


@dataclass(frozen=True)
class Rule:
    """What is wrong or unwise, when, why, and what to do instead.

    engines holds the releases for which it holds, by engine; empty: every engine, the `image` too. unsettled
    holds releases for which nobody knows. check: the function of the same name in `glmprov.lint.checks` decides what
    the data can't say. place is the finding's ("arguments.kv_cache_type"), if the check gives none. instead_of names
    rules that say less about the same thing: they are silent at its place when this one holds.
    """

    id: str
    level: Level
    sentence: str
    why: str
    fix: str
    source: str
    when: Condition = field(default_factory=dict)
    engines: Mapping[str, str] = field(default_factory=dict)
    unsettled: Mapping[str, str] = field(default_factory=dict)
    check: bool = False
    place: str = ""
    instead_of: tuple[str, ...] = ()
    sides: tuple[Side, ...] = ()


@cache
def rules() -> Mapping[str, Rule]:
    """Return the rules by id, in the file's order."""
    content = read("rules.yml")
    return {id_: _rule(id_, rule, content["sources"]) for id_, rule in content["rules"].items()}


def _rule(id_: str, content: Mapping[str, Any], sources: Mapping[str, str]) -> Rule:
    sides = tuple(
        Side(**{**side, "source": _cited(side["source"], sources)}) for side in content.get("sides", ())
    )
    more = {"instead_of": tuple(content.get("instead_of", ())), "sides": sides}
    return Rule(id=id_, **{**content, **more, "source": _cited(content["source"], sources)})


def _cited(text: str, sources: Mapping[str, str]) -> str:
    """Return a citation with the short names of sources written out."""
    parts = (part.partition(": ") for part in text.split("; "))
    return "; ".join(
        f"{sources.get(name, name)}{', ' if name in sources and rest else sep}{rest}"
        for name, sep, rest in parts
    )
