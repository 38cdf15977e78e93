"""Expected against observed, as one generic walk. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from glmprov.drift.difference import Difference, Verdict
from glmprov.state import (
    Disruption,
    Dropped,
    HostState,
    InstanceState,
    Kind,
    Later,
    Manage,
    Modes,
    Setting,
    Unit,
    Unknown,
    kind_of,
)


@dataclass(frozen=True)
class Leaf:
    """One comparable value: its key, both sides, and what mending it interrupts."""

    key: str
    expected: Any
    observed: Any
    disruption: Disruption
    pending_reboot: bool = False


def compare(
    host: str,
    expected: HostState | InstanceState,
    observed: HostState | InstanceState,
    reasons: Mapping[str, str] | None = None,
    modes: Modes | None = None,
) -> tuple[Difference, ...]:
    """Given what is expected and what is observed, return a Difference for each key that isn't right.

    reasons say why a value is expected, by key, by key without its part, or by field. modes mark what is only
    reported or ignored; see `heeded`.
    """
    why, what = reasons or {}, modes or Modes()
    return tuple(
        _difference(host, leaf, why, what) for leaf in leaves(expected, observed) if not _right(leaf)
    )


def heeded(differences: Iterable[Difference]) -> tuple[Difference, ...]:
    """Return the differences without those of ignored keys. One that is only reported is drift and says so.

    Nobody waits for it to be applied, so it is never pending.
    """
    return tuple(_reported(each) for each in differences if each.manage is not Manage.IGNORE)


def _reported(difference: Difference) -> Difference:
    if difference.manage is not Manage.AUDIT or difference.verdict not in (Verdict.DRIFT, Verdict.PENDING):
        return difference
    reason = f"manage: audit; {difference.reason}" if difference.reason else "manage: audit"
    return replace(difference, verdict=Verdict.DRIFT, reason=reason)


def _right(leaf: Leaf) -> bool:
    """Say whether a value is known to be as it should. Most are: the rest is found out for the others alone."""
    unknown = isinstance(leaf.observed, Unknown) or isinstance(leaf.expected, Later)
    return not unknown and same(leaf.expected, leaf.observed)


def _difference(host: str, leaf: Leaf, reasons: Mapping[str, str], modes: Modes) -> Difference:
    difference = Difference(
        host,
        leaf.key,
        leaf.expected,
        leaf.observed,
        Verdict.DRIFT,
        leaf.disruption,
        pending_reboot=leaf.pending_reboot,
        reason=_reason(leaf.key, reasons),
        manage=modes.of(leaf.key),
    )
    if isinstance(leaf.observed, Unknown):
        return replace(difference, verdict=Verdict.UNKNOWN, pending_reboot=False, reason=leaf.observed.reason)
    if isinstance(leaf.expected, Later):
        return replace(difference, verdict=Verdict.LATER, pending_reboot=False, reason=leaf.expected.reason)
    return difference


def _reason(key: str, reasons: Mapping[str, str]) -> str:
    item = re.sub(r"\.(declared|effective|enabled|active)$", "", key)
    candidates = (key, item, item.partition("[")[0])
    return next((reasons[candidate] for candidate in candidates if candidate in reasons), "")


def leaves(expected: HostState | InstanceState, observed: HostState | InstanceState) -> Iterator[Leaf]:
    """Yield every value of the expected state that is managed, beside what is observed of it."""
    for section in (each.name for each in fields(expected)):
        wanted, found = getattr(expected, section), getattr(observed, section)
        if wanted is None:
            continue
        for field in fields(wanted):
            value = getattr(wanted, field.name)
            if value is None or kind_of(field) not in (Kind.SETTING, Kind.OUTCOME):
                continue
            current = (
                Unknown("the probe returned nothing for this section")
                if found is None
                else getattr(found, field.name)
            )
            yield from _walk(f"{section}.{field.name}", value, current, field.metadata)


def _walk(key: str, expected: Any, observed: Any, metadata: Mapping[str, Any]) -> Iterator[Leaf]:
    disruption: Disruption = metadata["disruption"]
    if isinstance(expected, Later) or isinstance(observed, Unknown):
        yield Leaf(key, expected, observed, disruption)
    elif isinstance(expected, Setting):
        yield from _setting(key, expected, observed, disruption)
    elif isinstance(expected, Unit):
        for part in ("enabled", "active"):
            yield Leaf(f"{key}.{part}", getattr(expected, part), getattr(observed, part, None), disruption)
    elif isinstance(expected, Mapping):
        found = observed if isinstance(observed, Mapping) else {}
        for name, value in expected.items():
            yield from _walk(f"{key}[{name}]", value, found.get(name), metadata)
        for name in found if metadata["exact"] else ():
            if name not in expected:
                yield Leaf(f"{key}[{name}]", None, found[name], disruption)
    else:
        yield Leaf(key, _left_of(expected), observed, disruption)


def _setting(key: str, expected: Setting, observed: Any, disruption: Disruption) -> Iterator[Leaf]:
    """Yield the parts that are expected.

    What is declared and not yet effective waits for a reboot, where one mends it.
    """
    declared, effective = getattr(observed, "declared", None), getattr(observed, "effective", None)
    wanted, in_force = (_left_of(side) for side in (expected.declared, expected.effective))
    if expected.declared is not None:
        yield Leaf(f"{key}.declared", wanted, declared, disruption)
    if expected.effective is not None:
        waits = disruption in (Disruption.REBOOT, Disruption.DRIVER) and same(wanted, declared)
        yield Leaf(f"{key}.effective", in_force, effective, disruption, pending_reboot=waits)


def _left_of(value: Any) -> Any:
    """Return what is to be there: of what was dropped what was before us, mostly nothing."""
    return value.back if isinstance(value, Dropped) else value


def same(expected: Any, observed: Any) -> bool:
    """Say whether two values mean the same: a switch is 1 or Y to the kernel, and numbers come as text."""
    if expected is None or observed is None:
        return expected is observed
    if isinstance(expected, Sequence) and not isinstance(expected, str):
        return (
            isinstance(observed, Sequence)
            and not isinstance(observed, str)
            and list(expected) == list(observed)
        )
    if isinstance(expected, Mapping):
        return bool(expected == observed)
    return bool(_canonical(expected) == _canonical(observed))


def _canonical(value: Any) -> Any:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    return {"Y": "1", "N": "0"}.get(value, value) if isinstance(value, str) else value
