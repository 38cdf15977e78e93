"""`glmprov plan`: what provisioning would change, and why. Changes nothing."""

from __future__ import annotations

from glmprov.actions.observe import Fleet, Said, review_all, silent
from glmprov.results.review import HostReview


def plan(fleet: Fleet, said: Said = silent) -> tuple[HostReview, ...]:
    """Hold every host against its plan."""
    return review_all(fleet, said=said)
