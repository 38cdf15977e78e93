"""`glmprov rollback`: deploy the receipt before the one in force, with the files as they were written then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from glmprov.actions.deploy.changes import changed
from glmprov.actions.deploy.planned import Planned
from glmprov.actions.deploy.planning import taken
from glmprov.actions.deploy.records import instance_of
from glmprov.actions.deploy.reviewing import Reviews
from glmprov.actions.deploy.work import Deployment
from glmprov.actions.observe import Fleet, Said
from glmprov.deployed import InstanceReceipt
from glmprov.errors import GlmprovError, MovedOnError, NoHostError, PlanError
from glmprov.instance import Image, Instance
from glmprov.inventory import Host
from glmprov.journal import instances
from glmprov.operate import docker, weights
from glmprov.recipe.lock import FileLock, ImageLock, ModelLock, RecipeLock
from glmprov.remote import Channel, connect
from glmprov.remote.fan_out import for_each
from glmprov.results.review import HostReview


class LookBack:
    """What ran before on each host that has the instance."""

    def __init__(self, fleet: Fleet, name: str, said: Said) -> None:
        self._fleet = fleet
        self._name = name
        self._reviews = Reviews(fleet, said)

    def first(self) -> list[Deployment]:
        """Look at every host, and plan to go back. Raise NoHostError if none has the instance."""
        reviews = self._reviews.first()
        works = [
            Deployment(host, self._name, reviews[host.name])
            for host in self._fleet.hosts
            if reviews[host.name].error or _in_force(reviews[host.name], self._name)
        ]
        if not works:
            raise NoHostError(f"no host has an instance {self._name}", next_step="glmprov status")
        for work in works:
            work.error = work.review.error
        self._plan(works)
        return works

    def again(self, works: Sequence[Deployment]) -> None:
        """Look again under the lock. A host on which another receipt is in force by now is refused."""
        shown = {id(work): work.planned for work in works}
        self._reviews.again(works)
        self._plan(works)
        for work in works:
            before, now = shown[id(work)], work.planned
            if work.error is None and before and now and before.previous != now.previous:
                work.error = MovedOnError(
                    "it was deployed anew since the plan was shown", host=work.host.name
                )

    def with_image(self, work: Deployment, image: Image) -> None:
        """Keep the plan: a receipt says exactly what ran."""

    def _plan(self, works: Sequence[Deployment]) -> None:
        by_host = {work.host.name: work for work in works if work.error is None}

        def act(host: Host) -> None:
            work = by_host[host.name]
            work.planned = self._planned(work)

        for host, result in for_each([work.host for work in by_host.values()], act, self._fleet.forks):
            if isinstance(result, GlmprovError):
                by_host[host.name].error = result

    def _planned(self, work: Deployment) -> Planned:
        current = _in_force(work.review, self._name)
        if current is None:
            raise PlanError("its receipt can't be read", host=work.host.name)
        if not current.replaces:
            raise PlanError(
                f"nothing ran before what receipt {current.number} ({current.recipe}) is of",
                host=work.host.name,
                next_step=f"glmprov remove {self._name}",
            )
        with connect(work.host, self._fleet.connection) as channel:
            before = instances.read(channel, self._name, current.replaces)
            if before is None:
                raise PlanError(
                    f"receipt {current.replaces}, which {current.number} took the place of, is gone",
                    host=work.host.name,
                    next_step=f"deploy what is wanted: glmprov deploy RECIPE --name {self._name}",
                )
            instance = instance_of(before)
            gone = self._gone(channel, work, before, instance)
        declared = (f"back to receipt {before.number}", *changed(current, instance, before.expected))
        expected = before.expected
        service = expected.engine_service and replace(
            expected.engine_service, texts=before.texts, key_texts=before.key_texts
        )
        return Planned(
            instance,
            _fetched_again(before, instance, gone) if gone else None,
            replace(expected, engine_service=service),
            None,
            current,
            declared,
            (),
            before.accepted,
            replaces=before.replaces,
        )

    def _gone(
        self, channel: Channel, work: Deployment, before: InstanceReceipt, instance: Instance
    ) -> Image | None:
        """Return the image if it must be fetched again. Raise PlanError with every reason why this can't run again."""
        image = instance.image
        gone = image if image and not docker.inspect(channel, work.host.name, image.pinned) else None
        faults = (
            *self._taken(work, instance),
            *_weights_missing(channel, work, before, instance),
            *_unfetchable(gone),
        )
        if faults:
            raise PlanError(
                "\n".join(f"receipt {before.number} ({before.recipe}): {fault}" for fault in faults),
                host=work.host.name,
                next_step=f"glmprov deploy {before.recipe} --name {self._name}",
            )
        return gone

    def _taken(self, work: Deployment, instance: Instance) -> Iterator[str]:
        """Yield what of its cards and its port another instance has by now."""
        observation = work.review.observation
        for other in taken(observation) if observation else ():
            if other.name != self._name and set(other.gpus) & set(instance.gpus):
                yield f"instance {other.name} has its cards"
            if other.name != self._name and other.port == instance.port:
                yield f"instance {other.name} has its port {instance.port}"


def _weights_missing(
    channel: Channel, work: Deployment, before: InstanceReceipt, instance: Instance
) -> Iterator[str]:
    """Yield that weights aren't there as they were: a receipt knows their sizes, no sums to fetch them by."""
    store, model = before.expected.model_store, instance.weights
    shards = store.shards if store and isinstance(store.shards, Mapping) else {}
    files = tuple(FileLock(path, size) for path, size in shards.items() if isinstance(size, int))
    if not weights.look(channel, work.host.name, ModelLock(model.model, "", files), model.folder).complete:
        yield f"its weights aren't whole in {model.folder}"


def _unfetchable(gone: Image | None) -> Iterator[str]:
    if gone and not gone.digest:
        yield f"its image {gone.reference} is gone, and came from a file: docker load it there again"


def _fetched_again(before: InstanceReceipt, instance: Instance, gone: Image) -> RecipeLock:
    """Return what is fetched before anything is stopped: the image, by its digest."""
    return RecipeLock(
        before.recipe,
        ModelLock(instance.weights.model, "", ()),
        ImageLock(gone.reference, gone.digest or "", ""),
        datetime.fromisoformat(before.written_at),
    )


def _in_force(held: HostReview, name: str) -> InstanceReceipt | None:
    seen = held.observation.instances.get(name) if held.observation else None
    return seen.receipt if seen and isinstance(seen.receipt, InstanceReceipt) else None
