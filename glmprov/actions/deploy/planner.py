"""Plan instances, with what only their hosts can tell: the image, who listens at the port, the key, the tuned files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256

from glmprov.actions.deploy import acts
from glmprov.actions.deploy.asked import Asked
from glmprov.actions.deploy.checks import HOST_SCOPE, check
from glmprov.actions.deploy.clean import not_clean, require_clean
from glmprov.actions.deploy.fetching import known
from glmprov.actions.deploy.locking import Locks
from glmprov.actions.deploy.orders import DeployOrders, key_of
from glmprov.actions.deploy.planned import Planned
from glmprov.actions.deploy.planning import NOBODY, plan
from glmprov.actions.deploy.tuned import TunedFiles
from glmprov.actions.deploy.weights_ahead import look_ahead
from glmprov.actions.deploy.which_source import Sources
from glmprov.actions.deploy.work import Deployment, by_host
from glmprov.actions.observe import Fleet
from glmprov.errors import GlmprovError, UsageError
from glmprov.instance import Image, Taken
from glmprov.inventory import Host
from glmprov.operate import cards
from glmprov.recipe.effects import made
from glmprov.recipe.lock import RecipeLock
from glmprov.remote import connect
from glmprov.remote.fan_out import for_each
from glmprov.state import Unknown


class Planner:
    """Plans the instances of one command. What goes wrong with one is its error."""

    def __init__(
        self, fleet: Fleet, orders: DeployOrders, asked: Asked, locks: Locks, sources: Sources
    ) -> None:
        self._fleet = fleet
        self._orders = orders
        self._asked = asked
        self._locks = locks
        self._sources = sources
        self._tuned = TunedFiles()
        self._by_host: dict[str, list[Deployment]] = {}

    def plan(self, works: Sequence[Deployment]) -> None:
        """Plan each, host by host: what one takes, the next can't have."""
        instances = by_host(works)
        self._by_host |= instances
        hosts = [each[0].host for each in instances.values()]
        # A host that isn't as provisioned may have no Docker to resolve with: it is asked only if no other is there.
        for work in sorted(works, key=lambda work: bool(not_clean(work.review))):
            if work.error is None:
                with suppress(GlmprovError):  # it is raised again where it belongs
                    self._lock(work)

        def act(host: Host) -> None:
            for work in instances[host.name]:
                if work.error is None:
                    self._plan_one(work)

        for host, result in for_each(hosts, act, self._fleet.forks):
            if isinstance(result, GlmprovError):
                for work in instances[host.name]:
                    work.error = work.error or result

    def with_image(self, work: Deployment, image: Image) -> None:
        """Plan a planned one again, with what is known of its image now. Raise PlanError if it can't serve so."""
        assert work.planned is not None and work.planned.lock is not None  # noqa: S101
        work.planned = self._planned(work, image, work.planned.lock)
        self._check(work, work.planned)

    def _plan_one(self, work: Deployment) -> None:
        try:
            _readable(work)
            try:
                lock = self._lock(work)
            except GlmprovError:
                self._require_clean(work)
                raise
            with connect(work.host, self._fleet.connection) as channel:
                image = known(channel, work.host.name, lock.image)
                planned = self._planned(work, image, lock)
                port, before = planned.instance.port, planned.previous
                if before is None or before.port != port:
                    who = cards.listener(channel, work.host.name, port)
                    ours = acts.marks(channel, work.host.name, planned) if who else ()
                    # One of ours may listen there: of a swap whose end nobody saw.
                    if who is not None and not any(mark in who.cgroup for mark in ours):
                        planned = self._planned(work, image, lock, {port: str(who)})
            work.planned = planned
            self._check(work, planned)
            work.corrections = (
                () if work.planned.instance.form == "as published" else made(self._asked.recipe(work))
            )
            self._take_key(work)
            self._weights(work)
        except GlmprovError as error:
            error.host = error.host or work.host.name
            work.error = error

    def _weights(self, work: Deployment) -> None:
        """Note where the weights come from. Raise GlmprovError if they can't be had there, before a person is asked."""
        planned, work.ahead = work.planned, None
        if planned is None or planned.lock is None or not planned.lock.model.revision or not planned.differs:
            return  # of a folder of the host's own nobody knows a sum
        lock, folder = planned.lock, planned.instance.weights.folder
        source = self._sources.of(work.host, self._asked.wanted(work), lock, folder)
        with connect(work.host, self._fleet.connection) as channel:
            work.ahead = look_ahead(channel, work.host, source, lock.model, folder)

    def _lock(self, work: Deployment) -> RecipeLock:
        return self._locks.of(work.host, self._asked.recipe(work), self._asked.wanted(work))

    def _require_clean(self, work: Deployment) -> None:
        """Raise PlanError if the host isn't as provisioned: that counts for more than what comes of it."""
        if HOST_SCOPE not in self._asked.wanted(work).accepted:
            require_clean(work.review, self._orders.provision_command(work.host.name))

    def _planned(
        self,
        work: Deployment,
        image: Image | None,
        lock: RecipeLock,
        listening: Mapping[int, str] = NOBODY,
    ) -> Planned:
        observation = work.review.observation
        assert observation is not None  # noqa: S101  (without one there is an error)
        planned_before = [
            Taken(other.name, other.planned.instance.gpus, other.planned.instance.port)
            for other in self._by_host[work.host.name]
            if other is not work and other.planned is not None
        ]
        return plan(
            work.host,
            observation,
            self._asked.recipe(work),
            lock,
            self._asked.wanted(work),
            image,
            self._orders.provision_command(work.host.name),
            planned_before,
            listening,
        )

    def _check(self, work: Deployment, planned: Planned) -> None:
        """Note what a person should know. Raise PlanError with every reason against it."""
        shipped = None
        if planned.restarts:
            with connect(work.host, self._fleet.connection) as channel:
                shipped = self._tuned.of(channel, work.host.name, planned)
        work.notes = check(
            planned,
            self._asked.recipe(work),
            work.review,
            self._asked.wanted(work),
            self._orders.provision_command(work.host.name),
            shipped,
        )

    def _take_key(self, work: Deployment) -> None:
        """Take the key that the inventory gives; another one than the host has is a change like any other."""
        work.key, planned = key_of(work.host.name, work.name, work.declared), work.planned
        if (
            work.key is None
            or planned is None
            or planned.previous is None
            or planned.instance.key_file is None
        ):
            return
        with connect(work.host, self._fleet.connection) as channel:
            done = channel.run(["sha256sum", "--", planned.instance.key_file], become=True)
        if not done.stdout.decode(errors="replace").startswith(
            sha256(f"{work.key.reveal()}\n".encode()).hexdigest()
        ):
            work.planned = replace(planned, declared=(*planned.declared, "API key: another one"))


def _readable(work: Deployment) -> None:
    """Raise UsageError if the instance has a receipt that can't be read: nobody knows what would be replaced."""
    observation = work.review.observation
    seen = observation.instances.get(work.name) if observation else None
    if seen is not None and isinstance(seen.receipt, Unknown):
        raise UsageError(
            f"its receipt can't be read: {seen.receipt.reason}",
            host=work.host.name,
            place=work.name,
            next_step=f"put the receipt back as it was, or take the instance away: glmprov remove {work.name}",
        )
