"""A key as drift/ spells it, taken apart, and the value at its place in a state. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from typing import Any

from glmprov.state import SECTION_TYPES, Disruption, HostState, Kind, Unknown, kind_of

_KEY = re.compile(
    r"(?P<section>\w+)\.(?P<field>\w+)(?:\[(?P<item>.*)\])?(?:\.(?P<part>declared|effective|enabled|active))?",
    re.DOTALL,
)


@dataclass(frozen=True)
class Key:
    """section.field[item].part."""

    text: str
    section: str
    field: str
    item: str | None
    part: str | None
    kind: Kind
    disruption: Disruption

    @property
    def name(self) -> str:
        """The field with its section: gpu_power.limit_watts."""
        return f"{self.section}.{self.field}"

    def beside(self, part: str) -> str:
        """Return the key of another part of the same value."""
        return f"{self.text.removesuffix(f'.{self.part}')}.{part}"


def parse(text: str) -> Key | None:
    """Given a key, return its parts; None if no section of this version has such a field."""
    found = _KEY.fullmatch(text)
    if found is None or found["section"] not in SECTION_TYPES:
        return None
    known: dict[str, Field[Any]] = {each.name: each for each in fields(SECTION_TYPES[found["section"]])}
    field = known.get(found["field"])
    if field is None:
        return None
    return Key(
        text,
        found["section"],
        found["field"],
        found["item"],
        found["part"],
        kind_of(field),
        Disruption(field.metadata["disruption"]),
    )


def value_at(state: HostState, key: Key) -> Any:
    """Return what a state has at a key: None where it is absent, Unknown where it could not be read."""
    section = getattr(state, key.section)
    if section is None:
        return Unknown("the probe returned nothing for this section")
    value = getattr(section, key.field)
    if key.item is not None and not isinstance(value, Unknown):
        value = value.get(key.item) if isinstance(value, Mapping) else None
    if key.part is None or isinstance(value, Unknown):
        return value
    return getattr(value, key.part, None)
