"""What an operator lets us do with a section, as it is written: a word, or words by key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Annotated, Any

from pydantic import BeforeValidator

from glmprov.state import SECTION_TYPES, Kind, Manage, kind_of

DEFAULT = "default"

ONE_THING = ("origin", "branch", "version")
"""The driver's branch is part of its version: who leaves one leaves the other."""

_ITEM = re.compile(r"(?P<field>\w+)(?:\[(?P<item>.+)\])?")
_WITH_THE_DRIVER = "is set as the driver is installed; leave the driver itself alone by branch or version"


def _by_key(value: Any) -> Any:
    return {DEFAULT: value} if isinstance(value, str) else value


Words = Annotated[dict[str, Manage], BeforeValidator(_by_key)]


def known_keys(section: str) -> Callable[[dict[str, Manage]], dict[str, Manage]]:
    """Return what refuses words for keys that a section doesn't have, and words that contradict each other."""

    def check(words: dict[str, Manage]) -> dict[str, Manage]:
        faults = [fault for key in words for fault in _faults(section, key)]
        if section == "gpu_driver" and len({words[key] for key in ONE_THING if key in words}) > 1:
            faults.append("origin, branch and version are one thing: give them the same word")
        if faults:
            raise ValueError("; ".join(faults))
        return words

    return check


def _faults(section: str, key: str) -> Iterator[str]:
    if key == DEFAULT:
        return
    can = {
        field.name: "Mapping[" in str(field.type)
        for field in fields(SECTION_TYPES[section])
        if kind_of(field) in (Kind.SETTING, Kind.OUTCOME)
    }
    found = _ITEM.fullmatch(key)
    name = found["field"] if found else key
    if found is None or name not in can:
        near = difflib.get_close_matches(name.partition("[")[0], [*can, DEFAULT], n=1)
        yield f"no key {key}; " + (f"did you mean {near[0]}?" if near else f"there are {', '.join(can)}")
    elif found["item"] and not can[name]:
        yield f"{name} has no items: write {name} without brackets"
    elif (section, name) == ("gpu_driver", "held"):
        yield f"{name} {_WITH_THE_DRIVER}"


def by_key(section: str, words: Mapping[str, Manage]) -> dict[str, Manage]:
    """Return the words of a section by key as drift/ spells it."""
    said = dict(words)
    if section == "gpu_driver":
        said |= {other: words[one] for one in ONE_THING if one in words for other in ONE_THING}
    return {section if key == DEFAULT else f"{section}.{key}": word for key, word in said.items()}
