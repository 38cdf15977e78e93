"""`glmprov audit`: declared × applied × effective. Changes nothing."""

from __future__ import annotations

from glmprov import drift
from glmprov.actions.observe import Fleet, Said, review_all, silent
from glmprov.results.review import HostReview


def audit(fleet: Fleet, said: Said = silent) -> tuple[HostReview, ...]:
    """Hold every host against what its receipt says was applied and what the inventory declares now."""
    return review_all(fleet, drift.audit, said)
