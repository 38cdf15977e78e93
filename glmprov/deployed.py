"""What `deploy` leaves on a host: numbered receipts of each instance, and what a look finds of one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from glmprov.made_once import made_once
from glmprov.state import InstanceState, Unknown

INSTANCES_HOME = "/var/lib/glmprov/instances"
CURRENT = "receipt.json"
"""The receipt that is in force."""
FOLDER = "receipts"
"""All of them, by number."""
RECEIPT_VERSION = 1

SECRET_WORDS = ("KEY", "APIKEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIALS")
"""Words in the name of a variable whose value is in no file that everybody reads, and in no report."""


def is_secret(variable: str) -> bool:
    """Say whether a variable's name says that its value is secret: HF_TOKEN is, TOKENIZERS_PARALLELISM isn't."""
    return any(word in SECRET_WORDS for word in variable.upper().split("_"))


@dataclass(frozen=True)
class Gated:
    """What came of the gate when the receipt was written. downtime_seconds is None where nothing served before."""

    tokens: int = 0
    answer: str = ""
    tool_call: bool = False
    start_seconds: float = 0.0
    downtime_seconds: float | None = None


@dataclass(frozen=True)
class InstanceReceipt:
    """The record of one instance as it was deployed.

    number counts from 1; replaces is the receipt that was in force before, 0 for none. instance is the whole of it in
    JSON's terms, texts its files as they were written, without keys. accepted are the lint's findings that somebody
    insisted on; form says whether the corrected or the published command runs.
    """

    name: str
    number: int
    replaces: int
    written_at: str
    by: str
    controller: str
    glmprov_version: str
    recipe: str
    form: str
    gpus: tuple[str, ...]
    port: int
    expected: InstanceState
    instance: Mapping[str, Any]
    texts: Mapping[str, str]
    key_texts: Mapping[str, str] | None = None
    accepted: tuple[str, ...] = ()
    gated: Gated = field(default_factory=Gated)
    version: int = RECEIPT_VERSION


@dataclass(frozen=True)
class ObservedInstance:
    """An instance as a look found it. receipt None: files of one, and nothing that says what was deployed."""

    receipt: InstanceReceipt | Unknown | None
    state: InstanceState
    active: str = ""
    """The unit's state in systemd's word."""


def numbered(number: int) -> str:
    """Return the name of a receipt's file, below the instance's folder."""
    return f"{FOLDER}/{number:04d}.json"


@made_once()
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(InstanceReceipt)


def to_json(receipt: InstanceReceipt) -> str:
    """Return the receipt's text, with a digest that tells whether somebody edited it since."""
    content = _adapter().dump_python(receipt, mode="json")
    return json.dumps({**content, "digest": _digest(content)}, indent=1, ensure_ascii=False) + "\n"


def from_json(text: str) -> InstanceReceipt:
    """Given a receipt's text, return it. Raise ValueError if it isn't one of ours, as written."""
    try:
        receipt: InstanceReceipt = _adapter().validate_json(text)
    except ValueError:
        raise ValueError("it isn't what glmprov wrote: damaged, or edited by hand") from None
    if receipt.version != RECEIPT_VERSION:
        raise ValueError(f"of version {receipt.version}, this program reads version {RECEIPT_VERSION}")
    content = json.loads(text)
    if content.pop("digest", None) != _digest(content):
        raise ValueError("it was edited by hand since glmprov wrote it")
    return receipt


def _digest(content: Mapping[str, Any]) -> str:
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
