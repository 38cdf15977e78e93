"""Ranges of releases, as a person writes them: ">=0.32.0, <0.33". Pure."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from glmprov.engines.flags import age
from glmprov.errors import CatalogueError

COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq,
}  # fmt: skip


def in_range(version: str, range_: str) -> bool:
    """Return whether a version is in a range; "any" holds all. Raise CatalogueError for what is no version or range."""
    if range_ == "any":
        return True
    return all(_holds(version, part.strip()) for part in range_.split(","))


def is_release(version: str) -> bool:
    """Return whether a version is one that has an order, as "main" hasn't."""
    try:
        age(version)
    except CatalogueError:
        return False
    return True


def _holds(version: str, part: str) -> bool:
    found = re.fullmatch(r"([<>]=?|==)\s*(\S+)", part)
    if found is None:
        raise CatalogueError(f"{part!r} is no range", next_step='write it as ">=0.32.0, <0.33"')
    return COMPARE[found[1]](age(version), age(found[2]))
