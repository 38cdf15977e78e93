"""What was applied to a host, by whom and when: the declared, the applied and the effective are three things."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from glmprov.state import HostState

RECEIPT_PATH = "/var/lib/glmprov/receipt.json"
RECEIPT_VERSION = 1


@dataclass(frozen=True)
class Receipt:
    """The record that provisioning leaves on the host, at RECEIPT_PATH.

    expected is the state that was asked for; cards are the UUIDs that were there; files maps each file that
    we wrote to the sha256 it had afterwards; settings are the inventory's values that led to it.
    """

    written_at: str
    by: str
    controller: str
    glmprov_version: str
    expected: HostState
    cards: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    version: int = RECEIPT_VERSION


@cache
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(Receipt)


def to_json(receipt: Receipt) -> str:
    """Return the receipt as the text of RECEIPT_PATH."""
    text: bytes = _adapter().dump_json(receipt, indent=1)
    return text.decode() + "\n"


def from_json(text: str) -> Receipt:
    """Given the text of RECEIPT_PATH, return the receipt. Raise ValueError if it isn't one of this version."""
    receipt: Receipt = _adapter().validate_json(text)
    if receipt.version != RECEIPT_VERSION:
        raise ValueError(f"receipt of version {receipt.version}, this program reads version {RECEIPT_VERSION}")
    return receipt
