"""What one provisioning run works with, and how it looks at its hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from glmprov.actions.changing.hooks import Hooks
from glmprov.actions.changing.interrupt import Interrupt
from glmprov.actions.changing.orders import Orders
from glmprov.actions.changing.record import Recorder
from glmprov.actions.observe import Compare, Fleet, Said, against_plan, look, look_at_all
from glmprov.actions.provision.errand import Errand
from glmprov.actions.provision.work import Work, forgetting
from glmprov.apply import Event
from glmprov.errors import GlmprovError
from glmprov.remote.fan_out import for_each
from glmprov.results.facts import HostFacts
from glmprov.results.hook import HookCall
from glmprov.results.review import HostReview
from glmprov.settings import HostSettings

T = TypeVar("T")

Review = Callable[[HostFacts, HostSettings, Compare], HostReview]
"""Holds a host's facts against its plan: the one that its settings lead to, or a saved one."""


@dataclass(frozen=True)
class Run:
    """One run: the hosts, what was ordered, whom to tell, what a host should be, and how it comes to it."""

    fleet: Fleet
    orders: Orders
    settings: Mapping[str, HostSettings]
    hooks: Mapping[str, Hooks]
    review: Review
    errand: Errand
    recorder: Recorder
    interrupt: Interrupt
    said: Said
    on_event: Callable[[Event], None]
    told: Callable[[HookCall], str]

    def first_look(self) -> tuple[Work, ...]:
        """Look at every host."""
        seen = {facts.host: facts for facts in look_at_all(self.fleet, self.said, self.settings)}
        return tuple(
            Work(host, self._held_against_plan(seen[host.name]), self.orders.allowed)
            for host in self.fleet.hosts
        )

    def look_again(self, works: Iterable[Work], *, begun: bool = True) -> None:
        """Look at hosts for a second time; what went wrong is then their error.

        begun: this run works on them, so that files which changed are its own writing.
        """

        def look_at(work: Work) -> HostFacts:
            seen = look(self.fleet, work.host, self.settings[work.host.name])
            return HostFacts(work.host.name, observation=seen)

        for work, result in self.each(works, look_at):
            if isinstance(result, GlmprovError):
                work.error = result
            else:
                compare = work.compare if begun else against_plan
                work.take(self._held_against_plan(result, compare))

    def _held_against_plan(self, facts: HostFacts, compare: Compare = against_plan) -> HostReview:
        if facts.observation is not None:
            facts = replace(facts, observation=forgetting(facts.observation, self.orders.forgotten))
        return self.review(facts, self.settings[facts.host], compare)

    def each(
        self, works: Iterable[Work], act: Callable[[Work], T]
    ) -> Iterator[tuple[Work, T | GlmprovError]]:
        """Do something on each host at once; yield each with the result or its error, as it comes."""
        by_name = {work.host.name: work for work in works}
        hosts = [work.host for work in by_name.values()]
        for host, result in for_each(hosts, lambda host: act(by_name[host.name]), self.fleet.forks):
            yield by_name[host.name], result

    def nothing_new(self) -> str:
        """Return why nothing new may begin, "" while it may."""
        if self.interrupt.asked:
            return "interrupted"
        until = self.orders.until
        if until is not None and datetime.now(until.tzinfo) >= until:
            return f"it is past {until:%Y-%m-%d %H:%M}"
        return ""
