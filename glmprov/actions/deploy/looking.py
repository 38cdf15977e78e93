"""Look at hosts and plan their instances: at first, and again under the lock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from glmprov import drift
from glmprov.actions.deploy import acts
from glmprov.actions.deploy.checks import HOST_SCOPE, check
from glmprov.actions.deploy.fetching import known
from glmprov.actions.deploy.locking import Locks
from glmprov.actions.deploy.orders import DeployOrders, key_of, wanted_of
from glmprov.actions.deploy.planning import NOBODY, Planned, not_clean, plan, require_clean
from glmprov.actions.deploy.tuned import TunedFiles
from glmprov.actions.deploy.work import Deployment
from glmprov.actions.observe import Fleet, Said, look, look_at_all, read_settings, review
from glmprov.deployed import InstanceReceipt
from glmprov.errors import GlmprovError, MovedOnError, UsageError
from glmprov.instance import DEFAULT_NAME, Image, Taken, Wanted
from glmprov.instance.wanted import model_name
from glmprov.inventory import Host
from glmprov.operate import cards
from glmprov.recipe import Recipe
from glmprov.recipe.effects import made
from glmprov.recipe.library import Library
from glmprov.recipe.lock import RecipeLock
from glmprov.remote import connect
from glmprov.remote.fan_out import for_each
from glmprov.results.facts import HostFacts
from glmprov.results.review import HostReview
from glmprov.settings.instances import Declared, declared
from glmprov.settings.sets import SETS, named_sets
from glmprov.state import Unknown


class Look:
    """What is to run on which host, and what of it is already so."""

    def __init__(self, fleet: Fleet, orders: DeployOrders, library: Library, said: Said, cwd: Path) -> None:
        self._fleet = fleet
        self._orders = orders
        self._library = library
        self._said = said
        self._settings = read_settings(fleet.hosts)
        self._recipes: dict[str, Recipe] = {}
        self._locks = Locks(fleet, orders, said, cwd)
        self._tuned = TunedFiles()
        self._by_host: dict[str, list[Deployment]] = {}

    def first(self) -> list[Deployment]:
        """Look at every host, lock what isn't, and plan. Raise what makes the whole order meaningless."""
        asked = {host.name: self._asked(host) for host in self._fleet.hosts}
        if not any(asked.values()):
            raise UsageError(
                "no recipe is named, and no host's inventory declares an instance",
                next_step="glmprov deploy recipe-3; or declare glmprov_instances (docs/settings.md)",
            )
        reviews = {
            facts.host: self._held(facts) for facts in look_at_all(self._fleet, self._said, self._settings)
        }
        works = [
            Deployment(host, name, reviews[host.name], said)
            for host in self._fleet.hosts
            for name, said in asked[host.name].items()
        ]
        for work in works:
            work.error = work.review.error
        self._plan(works)
        return works

    def again(self, works: Sequence[Deployment]) -> None:
        """Look again under the lock. A host on which something else would be done now is refused."""
        shown = {id(work): work.planned for work in works}
        hosts = list({work.host.name: work.host for work in works}.values())

        def act(host: Host) -> HostReview:
            seen = look(self._fleet, host, self._settings[host.name])
            return self._held(HostFacts(host.name, observation=seen))

        for host, result in for_each(hosts, act, self._fleet.forks):
            for work in works:
                if work.host.name == host.name:
                    work.error = result if isinstance(result, GlmprovError) else result.error
                    work.review = work.review if isinstance(result, GlmprovError) else result
        self._plan(works)
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
        planned = work.planned
        assert planned is not None and planned.lock is not None  # noqa: S101
        work.planned = self._planned(work, image, planned.lock, self._by_host[work.host.name])
        before = work.notes
        self._check(work, work.planned)
        for note in work.notes:
            if note not in before:
                self._said(work.host.name, note)

    def _asked(self, host: Host) -> Mapping[str, Declared]:
        """Return the instances that are asked for on a host, with what the inventory says of each."""
        said = declared(host.name, host.variables, host.source)
        orders = self._orders
        if orders.recipe is None:
            chosen = {name: each for name, each in said.items() if each.settings.recipe}
            return {n: each for n, each in chosen.items() if not orders.named or n == orders.wanted.name}
        if orders.named:
            return {orders.wanted.name: said.get(orders.wanted.name, Declared())}
        of_it = [name for name, each in said.items() if each.settings.recipe == orders.recipe]
        name = of_it[0] if len(of_it) == 1 else DEFAULT_NAME
        return {name: said.get(name, Declared())}

    def _held(self, facts: HostFacts) -> HostReview:
        return review(facts, self._settings[facts.host], drift.audit)

    def _plan(self, works: Sequence[Deployment]) -> None:
        """Plan each, host by host: what one takes, the next can't have."""
        by_host: dict[str, list[Deployment]] = {}
        for work in works:
            by_host.setdefault(work.host.name, []).append(work)
        self._by_host |= by_host
        hosts = [each[0].host for each in by_host.values()]
        # A host that isn't as provisioned may have no Docker to resolve with: it is asked only if no other is there.
        for work in sorted(works, key=lambda work: bool(not_clean(work.review))):
            if work.error is None:
                with suppress(GlmprovError):  # it is raised again where it belongs
                    self._locks.of(work.host, self._recipe(work), self._wanted(work))

        def act(host: Host) -> None:
            for work in by_host[host.name]:
                if work.error is None:
                    self._plan_one(work, by_host[host.name])

        for host, result in for_each(hosts, act, self._fleet.forks):
            if isinstance(result, GlmprovError):
                for work in by_host[host.name]:
                    work.error = work.error or result

    def _plan_one(self, work: Deployment, siblings: Sequence[Deployment]) -> None:
        try:
            _readable(work)
            try:
                lock = self._locks.of(work.host, self._recipe(work), self._wanted(work))
            except GlmprovError:
                self._require_clean(work)
                raise
            with connect(work.host, self._fleet.connection) as channel:
                image = known(channel, work.host.name, lock.image)
                planned = self._planned(work, image, lock, siblings)
                port, before = planned.instance.port, planned.previous
                if before is None or before.port != port:
                    who = cards.listener(channel, work.host.name, port)
                    ours = acts.marks(channel, work.host.name, planned.instance) if who else ()
                    # One of ours may listen there: of a swap whose end nobody saw.
                    if who is not None and not any(mark in who.cgroup for mark in ours):
                        planned = self._planned(work, image, lock, siblings, {port: str(who)})
            work.planned = planned
            self._check(work, planned)
            work.corrections = (
                () if work.planned.instance.form == "as published" else made(self._recipe(work))
            )
            self._key(work)
        except GlmprovError as error:
            error.host = error.host or work.host.name
            work.error = error

    def _check(self, work: Deployment, planned: Planned) -> None:
        """Note what a person should know. Raise PlanError with every reason against it."""
        shipped = None
        if planned.restarts:
            with connect(work.host, self._fleet.connection) as channel:
                shipped = self._tuned.of(channel, work.host.name, planned)
        work.notes = check(
            planned,
            self._recipe(work),
            work.review,
            self._wanted(work),
            named_sets(work.host.variables.get(SETS)),
            self._orders.provision_command(work.host.name),
            shipped,
        )

    def _require_clean(self, work: Deployment) -> None:
        """Raise PlanError if the host isn't as provisioned: that counts for more than what comes of it."""
        if HOST_SCOPE not in self._wanted(work).accepted:
            require_clean(work.review, self._orders.provision_command(work.host.name))

    def _key(self, work: Deployment) -> None:
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

    def _planned(
        self,
        work: Deployment,
        image: Image | None,
        lock: RecipeLock,
        siblings: Sequence[Deployment] = (),
        listening: Mapping[int, str] = NOBODY,
    ) -> Planned:
        observation = work.review.observation
        assert observation is not None  # noqa: S101  (without one there is an error)
        planned_before = [
            Taken(other.name, other.planned.instance.gpus, other.planned.instance.port)
            for other in siblings
            if other is not work and other.planned is not None
        ]
        return plan(
            work.host,
            observation,
            self._recipe(work),
            lock,
            self._wanted(work),
            image,
            self._orders.provision_command(work.host.name),
            planned_before,
            listening,
        )

    def _wanted(self, work: Deployment) -> Wanted:
        return wanted_of(work.name, work.declared, self._orders.wanted)

    def _recipe(self, work: Deployment) -> Recipe:
        """Return a deployment's recipe, for the model that is wanted."""
        name = self._orders.recipe or (work.declared.settings.recipe if work.declared else None) or ""
        if name not in self._recipes:
            self._recipes[name] = self._library.find(name)
        recipe, model = self._recipes[name], self._wanted(work).model
        if model is None or model == recipe.model:
            return recipe
        return replace(recipe, model=model_name(model), revision=None)


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


def _otherwise(before: Planned, now: Planned) -> bool:
    same = before.instance == now.instance
    return not same or _number(before.previous) != _number(now.previous)


def _number(receipt: InstanceReceipt | None) -> int:
    return receipt.number if receipt else 0
