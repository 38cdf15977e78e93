"""Values: each key that we changed, what it was before, and whether it is put back. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from glmprov.drift import Difference, Verdict, same
from glmprov.observation import Observation
from glmprov.plan.daemon_keys import mark
from glmprov.plan.daemon_keys import ours as daemon_keys
from glmprov.receipt import Receipt
from glmprov.state import Kind, Unknown
from glmprov.undo.files import has_pin
from glmprov.undo.keys import Key, parse, value_at

_BY_PACKAGES = (
    "gpu_driver.origin",
    "gpu_driver.branch",
    "gpu_driver.version",
    "container_engine.package",
    "container_engine.toolkit",
)
"""What only installing or removing packages changes."""

_UNITS_OF_PACKAGES = ("gpu_driver.persistence_daemon", "container_engine.service")
_OF_CARDS = ("gpu_power.limit_watts", "gpu_power.persistence_mode")
_BY_THE_BOOT = (
    "host_tuning.kernel_arguments",
    "host_tuning.module_options",
    "host_tuning.acs_disabled",
    "gpu_driver.version",
)
"""Once what is declared is back, the next boot brings it into force."""


@dataclass(frozen=True)
class Values:
    """The keys that the receipt has a value from before for. in_files are fields whose files stay.

    packages are to go too; brought_driver: the driver is among those of ours.
    """

    observation: Observation
    receipt: Receipt
    sections: Collection[str]
    packages: bool
    brought_driver: bool
    in_files: Collection[str]
    left: Callable[[str], bool]

    def differences(self) -> Iterator[Difference]:
        """Yield each key that is put back and isn't as it was."""
        for key, back in self._ours():
            if self._stays(key, back) is None:
                now = value_at(self.observation.state, key)
                if isinstance(now, Unknown) or not (same(back, now) or _unit_is_gone(key, back, now)):
                    yield self._difference(key, back, now)

    def stays(self) -> Iterator[str]:
        """Yield what isn't put back and why, but for what goes without saying."""
        yield from dict.fromkeys(filter(None, (self._stays(key, back) for key, back in self._ours())))
        yield from self._items_of_others()

    def _items_of_others(self) -> Iterator[str]:
        """Yield what others added to a list that is put back."""
        shared = {mark(path): key.added_since for path, key in daemon_keys(self.observation).items()}
        for key, back in self._ours():
            if self._stays(key, back) is None and shared.get(key.text):
                yield f"{key.text} keeps {', '.join(map(str, shared[key.text]))}: somebody else added it"

    def _ours(self) -> Iterator[tuple[Key, Any]]:
        for text, back in self._before().items():
            key = parse(text)
            if key is not None and key.section in self.sections and _is_put_back(key):
                yield key, back

    def _before(self) -> Mapping[str, Any]:
        """Return what was before. Of a driver that we brought, no look knew a version; in a list theirs stay."""
        absent = dict.fromkeys(("gpu_driver.version.declared", "gpu_driver.version.effective"))
        shared = {
            mark(path): key.without_us
            for path, key in daemon_keys(self.observation).items()
            if isinstance(key.now, list)
        }
        return {**(absent if self.brought_driver else {}), **self.receipt.before, **shared}

    def _stays(self, key: Key, back: Any) -> str | None:
        """Return why a key isn't put back, "" where something else tells it; None if it is put back."""
        if key.name in self.in_files:
            return ""
        if self.left(key.text):
            return f"{key.text} stays: it is left to others (manage)"
        if isinstance(back, Mapping) and set(back) == {"unknown"}:
            return f"{key.text} stays: what it was before could not be read ({back['unknown']})"
        if not self.packages and self._comes_with_packages(key, back):
            return ""
        return self._card(key, back) if key.name in _OF_CARDS else None

    def _comes_with_packages(self, key: Key, back: Any) -> bool:
        return (
            key.name in _BY_PACKAGES
            or (key.name in _UNITS_OF_PACKAGES and back is None)
            or (key.name == "gpu_driver.pinned" and not has_pin(self.receipt))
            or (key.name == "gpu_driver.nouveau_blocked" and self.brought_driver)  # they block it too
        )

    def _card(self, key: Key, back: Any) -> str | None:
        gpus = self.observation.hardware.gpus
        if self.packages and self.brought_driver:  # goes with the driver
            return ""
        if key.part == "declared":
            return None
        if back is None:
            return ""
        if not isinstance(gpus, Unknown) and key.item not in {gpu.uuid for gpu in gpus}:
            return f"{key.text} stays: the card is gone"
        return None

    def _difference(self, key: Key, back: Any, now: Any) -> Difference:
        if isinstance(now, Unknown):
            return Difference(
                self.observation.host, key.text, back, now, Verdict.UNKNOWN, key.disruption, reason=now.reason
            )
        return Difference(
            self.observation.host,
            key.text,
            back,
            now,
            Verdict.DRIFT,
            key.disruption,
            pending_reboot=self._waits_for_boot(key),
            reason="as it was before",
        )

    def _waits_for_boot(self, key: Key) -> bool:
        """Say whether what is declared is back, so that only the boot is missing."""
        if key.part != "effective" or key.name not in _BY_THE_BOOT:
            return False
        declared = parse(key.beside("declared"))
        before = self._before()
        if declared is None or declared.text not in before:
            return True
        return same(before[declared.text], value_at(self.observation.state, declared))


def _unit_is_gone(key: Key, back: Any, now: Any) -> bool:
    """Say whether a unit that was off before isn't there at all now."""
    return key.part in ("enabled", "active") and back is False and now is None


def _is_put_back(key: Key) -> bool:
    """Say whether a key is one that is put back by itself; other outcomes follow from those."""
    return key.kind is Kind.SETTING or key.name == "gpu_power.persistence_mode"
