"""Expected against observed, as one generic walk; and both against what was applied. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from glmprov.observation import Observation
from glmprov.plan import HostPlan
from glmprov.state import SECTIONS, Disruption, HostState, Kind, Later, Setting, Unit, Unknown, kind_of


class Verdict(StrEnum):
    """What a comparison says. What could not be read is UNKNOWN, never OK."""

    OK = "OK"
    DRIFT = "DRIFT"
    """It was applied and is no longer so."""
    PENDING = "PENDING"
    """It is asked for and was never applied: `glmprov provision` would do it."""
    UNKNOWN = "UNKNOWN"
    LATER = "LATER"
    """It can't be known yet."""


@dataclass(frozen=True)
class Difference:
    """One key of one host with what is expected, what is observed, and the verdict.

    key is "section.field[item].part" ("gpu_power.limit_watts[GPU-4f…].effective"). pending_reboot: what is
    declared is right and the running system isn't yet. disruption: what mending it interrupts. reason: why
    the expected value is what it is, or why the observed one could not be read.
    """

    host: str
    key: str
    expected: Any
    observed: Any
    verdict: Verdict
    disruption: Disruption = Disruption.NONE
    pending_reboot: bool = False
    reason: str = ""

    @property
    def section(self) -> str:
        """The section that the key belongs to."""
        return self.key.partition(".")[0]


FILES: tuple[tuple[str, tuple[str, tuple[str, ...]]], ...] = (
    ("/etc/glmprov/gpu-power.conf", ("gpu_power", ("limit_watts",))),
    ("/etc/glmprov/host-tuning.conf", ("host_tuning", ("cpu_governor", "acs_disabled"))),
    ("/etc/glmprov/nccl.env", ("nccl_env", ("env",))),
    ("/etc/modprobe.d/glmprov.conf", ("host_tuning", ("module_options",))),
    ("/etc/modprobe.d/glmprov-nouveau.conf", ("gpu_driver", ("nouveau_blocked",))),
    ("/etc/sysctl.d/90-glmprov.conf", ("host_tuning", ("sysctl",))),
    ("/etc/security/limits.d/90-glmprov.conf", ("host_tuning", ("limits",))),
    ("/etc/default/grub.d/90-glmprov.cfg", ("host_tuning", ("kernel_arguments",))),
    ("/etc/apt/apt.conf.d/51glmprov-driver", ("gpu_driver", ("automatic_upgrades_blocked",))),
    ("/etc/apt/preferences.d/glmprov-driver", ("gpu_driver", ("pinned",))),
    ("/etc/apt/*/glmprov-nvidia*", ("gpu_driver", ())),
    ("/etc/apt/*/glmprov-toolkit*", ("container_engine", ())),
    ("*glmprov*gpu-power*", ("gpu_power", ())),
    ("*glmprov*host-tuning*", ("host_tuning", ())),
    ("*glmprov*device-links*", ("container_engine", ())),
)
"""Files that are ours alone: by pattern, first match wins, their section and the fields that they carry."""


@dataclass(frozen=True)
class Leaf:
    """One comparable value: its key, both sides, and what mending it interrupts."""

    key: str
    expected: Any
    observed: Any
    disruption: Disruption
    pending_reboot: bool = False


def compare(
    host: str, expected: HostState, observed: HostState, reasons: Mapping[str, str] | None = None
) -> tuple[Difference, ...]:
    """Given what is expected and what is observed, return a Difference for each key that isn't right.

    reasons say why a value is expected, by key, by key without its part, or by field.
    """
    judged = (_judge(host, leaf, reasons or {}) for leaf in _leaves(expected, observed))
    return tuple(difference for difference in judged if difference.verdict is not Verdict.OK)


def audit(observation: Observation, plan: HostPlan) -> tuple[Difference, ...]:
    """Hold a host against what was applied to it and what is asked for now; return what isn't right.

    DRIFT: the host is no longer what was applied. PENDING: it still is, and something else is asked for now,
    or nothing was ever applied. What the plan can't know at the moment is held against the receipt.
    """
    receipt = observation.receipt
    if receipt is None:
        found = compare(observation.host, plan.expected, observation.state, plan.reasons)
        return tuple(_pending(difference, "never provisioned") for difference in found)
    if isinstance(receipt, Unknown):
        broken = Difference(
            observation.host, "receipt", None, receipt, Verdict.UNKNOWN, reason=receipt.reason
        )
        return (broken, *compare(observation.host, plan.expected, observation.state, plan.reasons))
    expected = _completed(plan.expected, receipt.expected)
    applied = {leaf.key: leaf.expected for leaf in _leaves(receipt.expected, receipt.expected)}
    since = f"asked for since the receipt of {receipt.written_at}"
    values = tuple(
        _pending(difference, since) if _untouched(difference, applied) else difference
        for difference in compare(observation.host, expected, observation.state, plan.reasons)
    )
    return (*values, *compare_files(observation, values))


def compare_files(
    observation: Observation,
    values: Collection[Difference] = (),
    before: Mapping[str, str | None] | None = None,
) -> tuple[Difference, ...]:
    """Return the files of ours that aren't as they were written, where values don't tell it already.

    The key is "section.files[path]". Files shared with others (daemon.json) are judged by values only. before
    are the sums at the start of a run that applies: what has changed since then, the run has written.
    """
    receipt = observation.receipt
    if receipt is None or isinstance(receipt, Unknown):
        return ()
    declared = (d.key for d in values if not d.key.endswith(".effective"))
    told = {key.partition("[")[0].removesuffix(".declared") for key in declared}
    found = []
    for path, written in receipt.files.items():
        section, carried = _carried(path)
        current = observation.files.get(path, "")
        if section is None or current == written or any(f"{section}.{name}" in told for name in carried):
            continue
        if before is not None and current != before.get(path, ""):
            continue
        difference = Difference(
            observation.host, f"{section}.files[{path}]", f"sha256 {written[:12]}", None, Verdict.DRIFT
        )
        if current is None:
            reason = "it can't be read, or is a link"
            found.append(
                replace(difference, observed=Unknown(reason), verdict=Verdict.UNKNOWN, reason=reason)
            )
        elif current == "":
            found.append(replace(difference, reason=f"gone since {receipt.written_at}"))
        else:
            reason = f"edited since {receipt.written_at}"
            found.append(replace(difference, observed=f"sha256 {current[:12]}", reason=reason))
    return tuple(found)


def _carried(path: str) -> tuple[str | None, tuple[str, ...]]:
    """Return the section that a file of ours belongs to, and the fields whose values it carries."""
    return next((owner for pattern, owner in FILES if fnmatchcase(path, pattern)), (None, ()))


def _pending(difference: Difference, reason: str) -> Difference:
    if difference.verdict is not Verdict.DRIFT:
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


def _judge(host: str, leaf: Leaf, reasons: Mapping[str, str]) -> Difference:
    difference = Difference(
        host,
        leaf.key,
        leaf.expected,
        leaf.observed,
        Verdict.OK,
        leaf.disruption,
        reason=_reason(leaf.key, reasons),
    )
    if isinstance(leaf.observed, Unknown):
        return replace(difference, verdict=Verdict.UNKNOWN, reason=leaf.observed.reason)
    if isinstance(leaf.expected, Later):
        return replace(difference, verdict=Verdict.LATER, reason=leaf.expected.reason)
    if same(leaf.expected, leaf.observed):
        return difference
    return replace(difference, verdict=Verdict.DRIFT, pending_reboot=leaf.pending_reboot)


def _reason(key: str, reasons: Mapping[str, str]) -> str:
    item = re.sub(r"\.(declared|effective|enabled|active)$", "", key)
    candidates = (key, item, item.partition("[")[0])
    return next((reasons[candidate] for candidate in candidates if candidate in reasons), "")


def _leaves(expected: HostState, observed: HostState) -> Iterator[Leaf]:
    for section in SECTIONS:
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
    disruption = Disruption(metadata["disruption"])
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
        yield Leaf(key, expected, observed, disruption)


def _setting(key: str, expected: Setting, observed: Any, disruption: Disruption) -> Iterator[Leaf]:
    """Yield the parts that are expected.

    What is declared and not yet effective waits for a reboot, where one mends it.
    """
    declared, effective = getattr(observed, "declared", None), getattr(observed, "effective", None)
    if expected.declared is not None:
        yield Leaf(f"{key}.declared", expected.declared, declared, disruption)
    if expected.effective is not None:
        waits = disruption in (Disruption.REBOOT, Disruption.DRIVER) and same(expected.declared, declared)
        yield Leaf(f"{key}.effective", expected.effective, effective, disruption, pending_reboot=waits)


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
