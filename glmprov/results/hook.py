"""What a hook is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from glmprov.drift import Difference
from glmprov.results.provision import HostProvision
from glmprov.results.review import HostReview


@dataclass(frozen=True)
class HookCall:
    """What a hook is told: before a host is changed what will be, after it also what became of it."""

    event: Literal["before", "after"]
    batch: int
    review: HostReview
    changes: tuple[Difference, ...]
    result: HostProvision | None = None
