"""How one value reads, to a person and to a program."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from glmprov.state import Later, Setting, Unit, Unknown
from glmprov.state.data import data

__all__ = ["data", "plain", "short"]

_UUID = re.compile(r"(?<!--forget-card )GPU-([0-9a-f]{8})-[0-9a-f-]{27}")
"""Those of a command are left whole: it is to be copied."""


def short(text: str) -> str:
    """Return the text with card UUIDs cut to their first group, which tells the cards of a host apart."""
    return _UUID.sub(r"GPU-\1", text)


def plain(value: Any) -> str:
    """Return a value in a few words, on one line."""
    match value:
        case None:
            return "absent"
        case True | False:
            return "yes" if value else "no"
        case "":
            return '""'
        case Unknown(reason):
            return f"unknown: {reason}"
        case Later(reason):
            return reason
        case Unit(enabled, active):
            return f"{_state(enabled, 'enabled', 'disabled')}, {_state(active, 'active', 'inactive')}"
        case Setting(declared, effective):
            return f"declared {plain(declared)}, effective {plain(effective)}"
        case Mapping():
            return ", ".join(f"{key}={plain(item)}" for key, item in value.items()) or "none"
        case list() | tuple():
            return " ".join(plain(item) for item in value) or "none"
    return str(value)


def _state(flag: bool | Unknown, yes: str, no: str) -> str:
    if isinstance(flag, Unknown):
        return f"unknown: {flag.reason}"
    return yes if flag else no
