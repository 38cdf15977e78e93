"""Declared × applied × effective: the plan, the receipt and the host. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from glmprov.drift.compare import compare, heeded, leaves, same
from glmprov.drift.difference import Difference, Verdict
from glmprov.drift.files import compare_files
from glmprov.drift.instances import instances
from glmprov.observation import Observation
from glmprov.plan import HostPlan
from glmprov.plan.dropped import WHY
from glmprov.state import SECTIONS, HostState, Later, Manage, Unknown


def audit(observation: Observation, plan: HostPlan) -> tuple[Difference, ...]:
    """Hold a host and its instances against what was applied and what is asked for now; return what isn't right.

    DRIFT: the host is no longer what was applied. PENDING: it still is, and something else is asked for now,
    or nothing was ever applied. What the plan can't know at the moment is held against the receipt.
    """
    return (*_host(observation, plan), *instances(observation))


def _host(observation: Observation, plan: HostPlan) -> tuple[Difference, ...]:
    receipt = observation.receipt
    if receipt is None:
        found = compare(observation.host, plan.expected, observation.state, plan.reasons, plan.modes)
        return heeded(_pending(difference, "never provisioned") for difference in found)
    if isinstance(receipt, Unknown):
        broken = Difference(
            observation.host, "receipt", None, receipt, Verdict.UNKNOWN, reason=receipt.reason
        )
        found = compare(observation.host, plan.expected, observation.state, plan.reasons, plan.modes)
        return (broken, *heeded(found))
    expected = _completed(plan.expected, receipt.expected)
    applied = {leaf.key: leaf.expected for leaf in leaves(receipt.expected, receipt.expected)}
    since = f"asked for since the receipt of {receipt.written_at}"
    values = tuple(
        _pending(difference, f"no longer {since}" if WHY in difference.reason else since)
        if _untouched(difference, applied)
        else difference
        for difference in compare(observation.host, expected, observation.state, plan.reasons, plan.modes)
    )
    return heeded((*values, *compare_files(observation, values, modes=plan.modes)))


def _pending(difference: Difference, reason: str) -> Difference:
    if difference.verdict is not Verdict.DRIFT or difference.manage is Manage.AUDIT:
        return difference
    return replace(difference, verdict=Verdict.PENDING, pending_reboot=False, reason=reason)


def _untouched(difference: Difference, applied: Mapping[str, Any]) -> bool:
    """Say whether a key is as it was applied, so that only the wish has changed; or was never applied."""
    if difference.key not in applied:
        return difference.expected is not None
    return same(applied[difference.key], difference.observed)


def _completed(expected: HostState, applied: HostState) -> HostState:
    """Return what is expected, with what was applied in place of what can't be known yet."""
    sections: dict[str, Any] = {}
    for section in SECTIONS:
        wanted, before = getattr(expected, section), getattr(applied, section)
        if wanted is None or before is None:
            sections[section] = wanted
            continue
        later = [field.name for field in fields(wanted) if isinstance(getattr(wanted, field.name), Later)]
        recorded = {name: getattr(before, name) for name in later}
        known = {n: value for n, value in recorded.items() if not isinstance(value, Later | Unknown | None)}
        sections[section] = replace(wanted, **known)
    return HostState(**sections)
