"""`glmprov provision`: observe → plan → compare → apply → observe again, in stages, until nothing is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from glmprov import apply, state
from glmprov.actions.observe import (
    Compare,
    Fleet,
    Said,
    against_plan,
    look,
    look_at_all,
    read_settings,
    review,
)
from glmprov.actions.record import Recorder
from glmprov.actions.work import Work, forgetting
from glmprov.apply import Event
from glmprov.errors import GlmprovError
from glmprov.observation import Observation
from glmprov.remote.fan_out import default_forks, for_each
from glmprov.remote.for_ansible import connection_variables
from glmprov.results import HostFacts, HostProvision, HostReview

_STAGES = 4
"""Facts that appear on the way (a driver, then its cards) need two; more doesn't converge."""


T = TypeVar("T")


class Aborted(Exception):  # noqa: N818  (an answer, not an error)
    """The person said no. Nothing was changed."""


@dataclass(frozen=True)
class Orders:
    """How to provision: check changes nothing, diff shows files, reboot where it is waited for.

    reason is for the lock; forgotten are UUIDs of cards that were taken out on purpose.
    """

    check: bool = False
    diff: bool = False
    reboot: bool = False
    reason: str = ""
    forgotten: tuple[str, ...] = ()


Confirm = Callable[[Sequence[HostReview]], bool]


def provision(
    fleet: Fleet, orders: Orders, confirm: Confirm, said: Said, on_event: Callable[[Event], None]
) -> tuple[HostProvision, ...]:
    """Bring every host to its plan; believe only a second look. Raise Aborted if the person says no."""
    run = _Run(fleet, orders, said, on_event)
    run.begin()
    ready = [work for work in run.works if work.goes_on or (orders.reboot and work.waits_for_reboot)]
    if ready and not orders.check and not confirm([work.latest for work in run.works]):
        raise Aborted
    if orders.check:
        run.stage(ready)
    elif ready:
        with run.recorder.locked([work.host for work in ready]) as refused:
            for work in ready:
                work.error = refused.get(work.host.name)
            run.converge()
    if not orders.check:
        run.record()
    return tuple(work.result(check=orders.check) for work in run.works)


class _Run:
    """The state of one provisioning run: the hosts, and how far each has come."""

    def __init__(self, fleet: Fleet, orders: Orders, said: Said, on_event: Callable[[Event], None]) -> None:
        self.fleet = fleet
        self.orders = orders
        self.said = said
        self.on_event = on_event
        self.settings = read_settings(fleet.hosts)
        self.recorder = Recorder(fleet, orders.reason, said)
        self.works: list[Work] = []

    def begin(self) -> None:
        """Look at every host for the first time."""
        seen = {facts.host: facts for facts in look_at_all(self.fleet, self.said, self.settings)}
        self.works = [Work(host, self._review(seen[host.name])) for host in self.fleet.hosts]

    def converge(self) -> None:
        """Apply and look again until nothing is left; reboot where that is wanted, and once more."""
        self._stages()
        if self.orders.reboot:
            # A host on which applying failed is not rebooted: what is half done might not come back.
            ended_well = [work for work in self.works if work.error is None and work.failure is None]
            waiting = [work for work in ended_well if work.waits_for_reboot]
            for work in waiting:
                if work.host.is_local:  # the run would end with it, before the receipt is written
                    self.said(work.host.name, "this run's own machine: reboot it yourself")
            waiting = self._entered([work for work in waiting if not work.host.is_local])
            for work, result in self._each(waiting, lambda work: self.recorder.reboot(work.host)):
                work.rebooted = not isinstance(result, GlmprovError)
                work.error = result if isinstance(result, GlmprovError) else work.error
                work.stuck = False  # what could not be mended before the reboot may be now
            self._look_again(work for work in waiting if work.error is None)
            self._stages()

    def record(self) -> None:
        """Leave a receipt on every host that was seen to the end."""
        seen = [
            (work.host, self.settings[work.host.name], work.latest.plan, work.latest.observation)
            for work in self.works
            if work.error is None and work.latest.plan is not None and work.latest.observation is not None
        ]
        failed = self.recorder.write_receipts(seen)
        for work in self.works:
            work.error = work.error or failed.get(work.host.name)
        self.recorder.finish((work.host, work.result(check=False)) for work in self.works)

    def _entered(self, works: Sequence[Work]) -> list[Work]:
        """Enter what is about to be changed into each host's history; return the hosts that could keep it."""
        failed = self.recorder.begin((work.host, work.planned) for work in works)
        for work in works:
            work.error = work.error or failed.get(work.host.name)
        return [work for work in works if work.error is None]

    def _stages(self) -> None:
        for _ in range(_STAGES):
            todo = self._entered([work for work in self.works if work.goes_on])
            if not todo:
                return
            before = {work.host.name: {each.key for each in work.actionable} for work in todo}
            self.stage(todo)
            self._look_again(todo)
            for work in todo:
                left = {each.key for each in work.actionable}
                # What failed once fails again: the person mends it, not another stage.
                work.stuck = work.failure is not None or left == before[work.host.name]

    def stage(self, todo: Sequence[Work]) -> None:
        """Let Ansible apply the sections that differ, on the hosts where they differ."""
        if not todo:
            return
        outcome = apply.run(
            "provision",
            {work.host.name: self._variables(work) for work in todo},
            sections={work.host.name: work.sections for work in todo},
            on_event=self.on_event,
            check=self.orders.check,
            diff=self.orders.diff,
            forks=self.fleet.forks or default_forks(),
        )
        for work in todo:
            work.applied = True
            work.failure = outcome[work.host.name].error

    def _variables(self, work: Work) -> dict[str, Any]:
        expected = work.latest.plan.expected if work.latest.plan else state.HostState()
        return state.role_variables(expected) | connection_variables(work.host, self.fleet.connection)

    def _look_again(self, todo: Iterable[Work]) -> None:
        for work, result in self._each(todo, self._look):
            name = work.host.name
            if isinstance(result, GlmprovError):
                work.error = result
                continue
            work.take(self._review(HostFacts(name, observation=result), work.compare))

    def _look(self, work: Work) -> Observation:
        return look(self.fleet, work.host, self.settings[work.host.name])

    def _each(
        self, todo: Iterable[Work], act: Callable[[Work], T]
    ) -> Iterable[tuple[Work, T | GlmprovError]]:
        works = {work.host.name: work for work in todo}
        hosts = [work.host for work in works.values()]
        for host, result in for_each(hosts, lambda host: act(works[host.name]), self.fleet.forks):
            yield works[host.name], result

    def _review(self, facts: HostFacts, compare: Compare = against_plan) -> HostReview:
        if facts.observation is not None:
            facts = replace(facts, observation=forgetting(facts.observation, self.orders.forgotten))
        return review(facts, self.settings[facts.host], compare)
