"""One host on its way through provisioning: what differed, what is left, and what became of every key."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import partial

from glmprov import state
from glmprov.actions.observe import Compare, against_plan
from glmprov.drift import Difference, Verdict
from glmprov.errors import GlmprovError
from glmprov.inventory import Host
from glmprov.observation import Observation
from glmprov.receipt import Receipt
from glmprov.results import HostProvision, HostReview, KeyResult, Mended


@dataclass
class Work:
    """One host on its way. wanted holds the first difference of every key that ever differed."""

    host: Host
    first: HostReview
    latest: HostReview = field(init=False)
    wanted: dict[str, Difference] = field(default_factory=dict)
    error: GlmprovError | None = None
    failure: GlmprovError | None = None
    stuck: bool = False
    applied: bool = False
    rebooted: bool = False
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.take(self.first)

    @property
    def compare(self) -> Compare:
        """How to compare a later look: files that changed since the first one are the run's own writing."""
        first = self.first.observation
        return partial(against_plan, before=first.files if first else {})

    def take(self, latest: HostReview) -> None:
        """Remember a second look."""
        self.latest = latest
        self.error = latest.error
        for each in latest.differences:
            if each.verdict is not Verdict.LATER:
                self.wanted.setdefault(each.key, each)

    @property
    def actionable(self) -> tuple[Difference, ...]:
        """The differences that applying a role can mend."""
        drifted = self.latest.having(Verdict.DRIFT)
        return tuple(each for each in drifted if not each.pending_reboot and not self._waits_for_driver(each))

    @property
    def waits_for_reboot(self) -> bool:
        """Whether something declared takes effect only at the next boot."""
        return any(each.pending_reboot for each in self.latest.differences)

    def _waits_for_driver(self, difference: Difference) -> bool:
        """Say whether a difference waits for the boot that loads the installed driver: no card can be asked before."""
        asks_cards = difference.section == "gpu_power" or difference.key.startswith(
            "gpu_driver.persistence_daemon"
        )
        other_is_loaded = any(
            each.key == "gpu_driver.version.effective" and each.pending_reboot
            for each in self.latest.differences
        )
        return other_is_loaded and (asks_cards or difference.verdict is Verdict.UNKNOWN)

    @property
    def goes_on(self) -> bool:
        """Whether another stage makes sense."""
        return self.error is None and not self.stuck and bool(self.actionable)

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections that differ, in the order in which they are applied."""
        found = {each.section for each in self.actionable}
        return tuple(section for section in state.SECTIONS if section in found)

    def result(self, *, check: bool) -> HostProvision:
        """Return what became of the host. check: nothing was to be changed."""
        now = {each.key: each for each in self.latest.differences}
        return HostProvision(
            host=self.host.name,
            keys=tuple(self._key(first, now.get(key), check) for key, first in self.wanted.items()),
            notes=self.latest.plan.notes if self.latest.plan else (),
            error=self.error,
            applied=self.applied,
            rebooted=self.rebooted,
            seconds=time.monotonic() - self.started,
            failure=self.failure,
        )

    def _key(self, first: Difference, now: Difference | None, check: bool) -> KeyResult:
        result, reason = self._mended(now, check)
        after = now.observed if now else first.expected
        expected = now.expected if now else first.expected
        return KeyResult(first.key, first.observed, expected, after, result, reason)

    def _mended(self, now: Difference | None, check: bool) -> tuple[Mended, str]:
        if now is None and self.error is None:
            return Mended.FIXED, ""
        if check:
            return Mended.SKIPPED, "check only"
        if now is None or self.error is not None:
            return Mended.SKIPPED, "the host was lost on the way" if self.applied else "not begun"
        if now.pending_reboot:
            return Mended.PENDING_REBOOT, "takes effect at the next boot"
        if self._waits_for_driver(now):
            return Mended.PENDING_REBOOT, "the loaded driver is not the installed one until the next boot"
        if now.verdict is Verdict.UNKNOWN:
            return Mended.UNKNOWN, now.reason
        if now.verdict is Verdict.LATER:
            return Mended.SKIPPED, now.reason
        if self.failure is None:
            return Mended.FAILED, unmended(now.key)
        if (self.failure.place or "").startswith(f"{now.section}:"):
            said = about(now.key, str(self.failure.message))
            return Mended.FAILED, said or "see the error above"
        return Mended.SKIPPED, "not reached: applying stopped at the error above"


def about(key: str, message: str) -> str:
    """Return what a message says of the item of a key (limit_watts[GPU-4f…]), "" if it doesn't name it."""
    item = key.partition("[")[2].partition("]")[0]
    lines = (line.strip() for line in message.splitlines())
    return next((line for line in lines if item and line.startswith(f"{item}: ")), "").partition(": ")[2]


def unmended(key: str) -> str:
    """Return why a key is still not so, and what a person can do where no role can do anything."""
    if key.startswith("gpu_power.limit_in_force["):
        return "something else than the limit holds the card lower: see nvidia-smi -q -d POWER,PERFORMANCE"
    card = key.removeprefix("gpu_driver.cards[").removesuffix("]")
    if card == key:
        return "applied without an error, and still not so"
    if not card.startswith("GPU-"):
        return "the card is in its slot and doesn't answer: reboot the host, or pull the card"
    return f"the card is gone: look at the host, or accept it with --forget-card {card}"


def forgetting(observation: Observation, cards: Collection[str]) -> Observation:
    """Return the observation with a receipt that doesn't know these cards: they were taken out on purpose."""
    receipt = observation.receipt
    if not cards or not isinstance(receipt, Receipt):
        return observation
    left = tuple(card for card in receipt.cards if card not in cards)
    return replace(observation, receipt=replace(receipt, cards=left))
