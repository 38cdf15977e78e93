"""Look at hosts and plan their instances: at first, and again under the lock."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from glmprov.actions.deploy.asked import Asked
from glmprov.actions.deploy.locking import Locks
from glmprov.actions.deploy.orders import DeployOrders
from glmprov.actions.deploy.planned import Planned
from glmprov.actions.deploy.planner import Planner
from glmprov.actions.deploy.reviewing import Reviews
from glmprov.actions.deploy.which_source import Sources, offer
from glmprov.actions.deploy.work import Deployment
from glmprov.actions.observe import Fleet, Said
from glmprov.deployed import InstanceReceipt
from glmprov.errors import MovedOnError, UsageError
from glmprov.instance import Image
from glmprov.recipe.library import Library


class Look:
    """What is to run on which host, and what of it is already so."""

    def __init__(self, fleet: Fleet, orders: DeployOrders, library: Library, said: Said, cwd: Path) -> None:
        self._hosts = fleet.hosts
        self._said = said
        self._reviews = Reviews(fleet, said)
        self._asked = Asked(orders, library)
        self._sources = Sources(fleet, orders.hub, cwd)
        locks = Locks(fleet, orders, said, cwd)
        self._planner = Planner(fleet, orders, self._asked, locks, self._sources)

    def first(self) -> list[Deployment]:
        """Look at every host, lock what isn't, and plan. Raise what makes the whole order meaningless."""
        asked = {host.name: self._asked.instances(host) for host in self._hosts}
        if not any(asked.values()):
            raise UsageError(
                "no recipe is named, and no host's inventory declares an instance",
                next_step="glmprov deploy recipe-3; or declare glmprov_instances (docs/settings.md)",
            )
        for instances in asked.values():
            for name, said in instances.items():
                self._sources.place(self._asked.wanted_by(name, said))
        reviews = self._reviews.first()
        works = [
            Deployment(host, name, reviews[host.name], said)
            for host in self._hosts
            for name, said in asked[host.name].items()
        ]
        for work in works:
            work.error = work.review.error
        self._planner.plan(works)
        offer(works)
        return works

    def again(self, works: Sequence[Deployment]) -> None:
        """Look again under the lock. A host on which something else would be done now is refused."""
        shown = {id(work): work.planned for work in works}
        self._reviews.again(works)
        self._planner.plan(works)
        for work in works:
            before, now = shown[id(work)], work.planned
            if work.error is None and before and now and _otherwise(before, now):
                work.error = MovedOnError(
                    "it moved on since the plan was shown",
                    host=work.host.name,
                    next_step="run it again to see and confirm the new plan",
                )

    def with_image(self, work: Deployment, image: Image) -> None:
        """Plan again with what is known of the image now that it is there: its id, what it sets, what it ships.

        Raise PlanError if it can't serve so: what served before goes on.
        """
        before = work.notes
        self._planner.with_image(work, image)
        for note in work.notes:
            if note not in before:
                self._said(work.host.name, note)


def _otherwise(before: Planned, now: Planned) -> bool:
    same = before.instance == now.instance
    return not same or _number(before.previous) != _number(now.previous)


def _number(receipt: InstanceReceipt | None) -> int:
    return receipt.number if receipt else 0
