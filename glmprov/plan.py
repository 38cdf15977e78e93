"""Inventory settings + observation → the expected state with the reason for each value. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from glmprov.state import HostState


@dataclass(frozen=True)
class HostPlan:
    """What a host should be. reasons are by key, as drift.py spells keys; notes are what a person should know.

    A note says for example that a card was left alone, and why.
    """

    host: str
    expected: HostState
    reasons: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
