"""The payload's answer → what the role keeps of the driver before: /var/lib/glmprov/driver/kept.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from glmprov.probe.answer import Answer
from glmprov.probe.driver_packages import source_of

KEPT = "/var/lib/glmprov/driver/kept.json"


@dataclass(frozen=True)
class Kept:
    """The driver version whose packages are kept, the one that was rolled back from, and whose packages they are."""

    previous: str | None = None
    previous_origin: str | None = None
    left: str | None = None
    left_origin: str | None = None


def kept(answer: Answer) -> Kept:
    """Return what is kept. A file that makes no sense means nothing: only a rollback needs it, and says so then."""
    text = answer.text(KEPT)
    try:
        record = json.loads(text) if isinstance(text, str) else {}
    except ValueError:
        return Kept()
    if not isinstance(record, dict):
        return Kept()
    return Kept(
        _text(record, "previous"),
        _origin(record, "packages"),
        _text(record, "rolled_back_from"),
        _origin(record, "left"),
    )


def _text(record: dict[str, Any], key: str) -> str | None:
    value = record.get(key)
    return value if isinstance(value, str) else None


def _origin(record: dict[str, Any], key: str) -> str | None:
    packages = record.get(key)
    if not isinstance(packages, dict):
        return None
    return source_of({name: version for name, version in packages.items() if isinstance(version, str)})
