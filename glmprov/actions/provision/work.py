"""One host on its way through provisioning: what differs, what may be done about it, what waits."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from glmprov import state
from glmprov.actions.observe import Compare, against_plan
from glmprov.drift import Difference, Verdict, written
from glmprov.errors import GlmprovError
from glmprov.inventory import Host
from glmprov.observation import Observation
from glmprov.receipt import Receipt
from glmprov.results.review import HostReview
from glmprov.state import Disruption, HostState, Manage
from glmprov.state.as_found import as_found

_NEXT_BOOT = ("gpu_driver.next_kernel_module", "gpu_driver.next_kernel_configured")
"""What must be so of the kernel that boots next before the host is rebooted."""


@dataclass(eq=False)
class Work:
    """One host on its way. wanted holds the first difference of every key that ever differed.

    waiting is what would interrupt an instance as of the latest look, and what can't be done without that; what waited
    when the plan was shown waits to the end of the run. allowed is what may be interrupted while an instance serves.
    batch counts from 1. not_begun says why a host is left as it is, stopped why no more was begun on it, not_rebooted
    why a reboot that was ordered was not.
    """

    host: Host
    first: HostReview
    allowed: frozenset[Disruption] = frozenset()
    latest: HostReview = field(init=False)
    waiting: tuple[Difference, ...] = field(init=False)
    wanted: dict[str, Difference] = field(default_factory=dict)
    error: GlmprovError | None = None
    failure: GlmprovError | None = None
    hook_failure: GlmprovError | None = None
    stuck: bool = False
    applied: bool = False
    rebooted: bool = False
    batch: int = 0
    not_begun: str = ""
    stopped: str = ""
    not_rebooted: str = ""
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._waited = {each.key for each in self.first.waiting(self.allowed)}
        self.take(self.first)

    @property
    def compare(self) -> Compare:
        """How to compare a later look: files that changed since the first one are the run's own writing."""
        first = self.first.observation
        return partial(against_plan, before=first.files if first else {})

    @property
    def locked(self) -> bool:
        """Whether somebody's lock was on the host at the latest look."""
        return self.latest.observation is not None and self.latest.observation.locked

    def take(self, latest: HostReview) -> None:
        """Remember a second look."""
        self.latest = latest
        self.error = latest.error
        for each in latest.differences:
            if each.verdict is not Verdict.LATER and each.manage is Manage.ENFORCE:
                self.wanted.setdefault(each.key, each)
        self.waiting = self._what_waits()

    @property
    def files(self) -> Mapping[str, str]:
        """The sums of our files for the receipt."""
        first, latest = self.first.observation, self.latest.observation
        return written(latest, first.files if first else {}) if latest else {}

    @property
    def serving(self) -> tuple[str, ...]:
        """The instances that serve, or did when the plan was shown."""
        return self.latest.serving or self.first.serving

    def _what_waits(self) -> tuple[Difference, ...]:
        now, given = self._interrupting, self.given
        return tuple(
            each
            for each in self.latest.having(Verdict.DRIFT)
            if each.manage is Manage.ENFORCE
            and (each.key in now or getattr(given, each.section, given) is None)
        )

    @property
    def _interrupting(self) -> frozenset[str]:
        """The keys of which mending would interrupt an instance."""
        return frozenset({each.key for each in self.latest.waiting(self.allowed)} | self._waited)

    def waits(self, key: str) -> bool:
        """Say whether a key waits for an instance."""
        return any(each.key == key for each in self.waiting)

    @property
    def actionable(self) -> tuple[Difference, ...]:
        """The differences that applying a role can mend, and may."""
        waiting = {each.key for each in self.waiting}
        return tuple(
            each
            for each in self.latest.having(Verdict.DRIFT)
            if each.manage is Manage.ENFORCE
            and not each.pending_reboot
            and each.key not in waiting
            and not self.waits_for_driver(each)
        )

    @property
    def pending_reboot(self) -> tuple[Difference, ...]:
        """What is declared, takes effect only at the next boot, is ours to enforce, and needs to wait for nobody."""
        waiting = {each.key for each in self.waiting}
        return tuple(
            each
            for each in self.latest.differences
            if each.pending_reboot and each.manage is Manage.ENFORCE and each.key not in waiting
        )

    @property
    def must_not_boot(self) -> str:
        """Why the host must not be rebooted as it is, "" if it may: its next kernel isn't ready for it."""
        faults = (each for each in self.latest.differences if each.key in _NEXT_BOOT)
        return next((f"not rebooted: {each.reason}" for each in faults if each.verdict is Verdict.DRIFT), "")

    def waits_for_driver(self, difference: Difference) -> bool:
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

    def changes(self, reboot: bool) -> tuple[Difference, ...]:
        """Return what is to be done on the host, with a reboot or without."""
        if self.error is not None:
            return ()
        return (*self.actionable, *(self.pending_reboot if reboot else ()))

    @property
    def given(self) -> HostState:
        """What the roles are given: the plan, with what the host has in place of what waits or isn't enforced."""
        seen = self.latest.observation
        return self._but_for_what_is_left(seen.state if seen else HostState())

    @property
    def recorded(self) -> HostState:
        """What the receipt records: the plan, with what it recorded before in place of what waits or isn't enforced.

        So an audit says of a key that waits what it said before, no later plan takes it for applied, and what was
        ours before somebody else took it over isn't forgotten.
        """
        recorded, before = self._but_for_what_is_left(self._applied), self._applied
        kept = {name: getattr(before, name) for name in state.SECTIONS if getattr(recorded, name) is None}
        return replace(recorded, **kept)

    @property
    def _applied(self) -> HostState:
        receipt = self.latest.observation.receipt if self.latest.observation else None
        return receipt.expected if isinstance(receipt, Receipt) else HostState()

    def _but_for_what_is_left(self, instead: HostState) -> HostState:
        plan = self.latest.plan
        if plan is None:
            return HostState()
        waiting = self._interrupting
        return as_found(
            plan.expected, instead, lambda key: key in waiting or plan.modes.left(key), self._applied
        )

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections that differ, in the order in which they are applied."""
        found = {each.section for each in self.actionable}
        return tuple(section for section in state.SECTIONS if section in found)

    @property
    def later_sections(self) -> tuple[str, ...]:
        """The sections of which something is known only when others are applied."""
        found = {each.section for each in self.latest.having(Verdict.LATER) if each.manage is Manage.ENFORCE}
        return tuple(section for section in state.SECTIONS if section in found)


def grown(before: Collection[Difference], now: Collection[Difference]) -> tuple[str, ...]:
    """Return the keys that would be changed now and were not to be before, or to another value."""
    shown = {each.key: each.expected for each in before}
    return tuple(each.key for each in now if each.key not in shown or shown[each.key] != each.expected)


def forgetting(observation: Observation, cards: Collection[str]) -> Observation:
    """Return the observation with a receipt that doesn't know these cards: they were taken out on purpose."""
    receipt = observation.receipt
    if not cards or not isinstance(receipt, Receipt):
        return observation
    left = tuple(card for card in receipt.cards if card not in cards)
    return replace(observation, receipt=replace(receipt, cards=left))
