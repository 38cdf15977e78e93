"""How one value reads to a program: JSON's terms, the same in every document and on the host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from glmprov.state.values import Dropped, Later, Unknown


def data(value: Any) -> Any:
    """Return a value in JSON's terms. Unknown, Later and Dropped are objects that say so, not text."""
    match value:
        case Unknown(reason):
            return {"unknown": reason}
        case Later(reason):
            return {"later": reason}
        case Dropped(was, back):
            return {"dropped": data(was)} | ({} if back is None else {"back": data(back)})
        case Enum():
            return value.value
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="seconds")
        case Mapping():
            return {_key(key): data(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [data(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: data(getattr(value, f.name)) for f in fields(value)}
    return value


def _key(key: Any) -> str:
    return " ".join(map(str, key)) if isinstance(key, tuple) else str(key)
