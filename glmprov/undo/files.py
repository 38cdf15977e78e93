"""Files of ours: those that go, and those that stay because somebody made them his own. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields

from glmprov.drift import Difference, Verdict
from glmprov.drift.files import owner_of
from glmprov.observation import Observation
from glmprov.receipt import Receipt
from glmprov.state import SECTION_TYPES, Disruption

_THEIRS = re.compile(r"/etc/apt/(sources\.list\.d|keyrings)/|/etc/systemd/system/[^/]+/")
"""Package sources go with the packages that came from them, by their own record. Drop-ins of our units aren't ours."""

_PIN = "/etc/apt/preferences.d/glmprov-driver"

_UNITS = {"gpu-power": "boot_unit", "host-tuning": "boot_unit", "device-links": "device_links"}
"""Boot units by what their files are named after, with their field. Unit, program and settings stay together."""


@dataclass(frozen=True)
class Files:
    """What becomes of our files: those that go with the sums they must have, those that stay with the reason.

    fields are those whose values lie in files that stay ("gpu_power.limit_watts").
    """

    going: Mapping[str, str]
    staying: Mapping[str, str]
    fields: frozenset[str]

    @property
    def words(self) -> tuple[str, ...]:
        """What stays and why, for a person."""
        return tuple(f"{path} stays: {reason}" for path, reason in self.staying.items())


def has_pin(receipt: Receipt) -> bool:
    """Say whether the driver is pinned by a file of ours; else a package does it."""
    return _PIN in receipt.files


def sort_out(
    observation: Observation,
    receipt: Receipt,
    sections: Collection[str],
    left: Callable[[str], bool],
) -> Files:
    """Tell the files that go from those that stay.

    left says of a field or key that it is somebody else's now.
    """
    ours = [path for path in receipt.files if owner_of(path)[0] in sections and not _THEIRS.match(path)]
    staying = {path: why for path in ours if (why := _why_it_stays(path, observation, receipt, left))}
    families = {_family(path): path for path in staying if _family(path)}
    for path in ours:
        if path not in staying and _family(path) in families:
            staying[path] = f"it belongs to {families[_family(path)]}"
    here = {path: receipt.files[path] for path in ours if path in observation.files and path not in staying}
    return Files(here, staying, frozenset(name for path in staying for name in _fields(path)))


def differences(observation: Observation, going: Mapping[str, str]) -> Iterator[Difference]:
    """Yield a difference for each file that goes. Removing it interrupts what changing its values does."""
    for path, digest in going.items():
        yield Difference(
            observation.host,
            f"{owner_of(path)[0]}.files[{path}]",
            None,
            f"sha256 {digest[:12]}",
            Verdict.DRIFT,
            _disruption(path),
            reason="glmprov wrote it",
        )


def _why_it_stays(
    path: str, observation: Observation, receipt: Receipt, left: Callable[[str], bool]
) -> str | None:
    found, written = observation.files.get(path, receipt.files[path]), receipt.files[path]
    others = [name for name in _fields(path) if left(name) or _an_item_is_left(name, receipt, left)]
    if found is None:
        return "it can't be read, or is a link"
    if found != written:
        return f"edited since {receipt.written_at}"
    return f"{', '.join(others)} is left to others (manage)" if others else None


def _an_item_is_left(field: str, receipt: Receipt, left: Callable[[str], bool]) -> bool:
    return any(left(key) for key in receipt.before if key.startswith(f"{field}["))


def _fields(path: str) -> list[str]:
    """Return the fields whose values a file carries, its boot unit's too."""
    section, carried = owner_of(path)
    unit = _UNITS.get(_family(path) or "")
    return [f"{section}.{name}" for name in (*carried, *([unit] if unit else []))]


def _family(path: str) -> str | None:
    return next((name for name in _UNITS if name in path.rpartition("/")[2]), None)


def _disruption(path: str) -> Disruption:
    section, carried = owner_of(path)
    known = {each.name: each.metadata for each in fields(SECTION_TYPES[section])} if section else {}
    found = [Disruption(known[name]["disruption"]) for name in carried if name in known]
    return max(found, key=list(Disruption).index, default=Disruption.NONE)
