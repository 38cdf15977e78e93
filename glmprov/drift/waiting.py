"""What waits while an instance serves: changes that would interrupt it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from glmprov.drift.difference import Difference, Verdict
from glmprov.state import Disruption, Manage


def interrupts(difference: Difference) -> Disruption:
    """Return what mending a difference interrupts. What is declared and not in force needs a reboot."""
    return Disruption.REBOOT if difference.pending_reboot else difference.disruption


def waiting(
    differences: Iterable[Difference], serving: Collection[str], allowed: Collection[Disruption] = ()
) -> tuple[Difference, ...]:
    """Given the instances that serve on a host and what may be interrupted all the same, return what waits."""
    if not serving:
        return ()
    harmless = {Disruption.NONE, *allowed}
    return tuple(
        each
        for each in differences
        if each.verdict in (Verdict.DRIFT, Verdict.PENDING)
        and each.manage is Manage.ENFORCE
        and interrupts(each) not in harmless
    )


def classes(differences: Iterable[Difference]) -> tuple[Disruption, ...]:
    """Return what mending the differences interrupts, mildest first."""
    found = {interrupts(each) for each in differences}
    return tuple(each for each in Disruption if each in found and each is not Disruption.NONE)
