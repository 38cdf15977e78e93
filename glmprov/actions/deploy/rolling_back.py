"""`glmprov rollback`: deploy the receipt before the one in force, with the files as they were written then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from glmprov.actions.deploy.changes import changed
from glmprov.actions.deploy.planned import Planned
from glmprov.actions.deploy.records import instance_of
from glmprov.actions.deploy.reviewing import Reviews
from glmprov.actions.deploy.work import Deployment
from glmprov.actions.observe import Fleet, Said
from glmprov.deployed import InstanceReceipt
from glmprov.errors import FetchError, GlmprovError, MovedOnError, NoHostError, PlanError
from glmprov.instance import Image
from glmprov.inventory import Host
from glmprov.journal import instances
from glmprov.operate import docker
from glmprov.recipe.image_name import image_name
from glmprov.remote import connect
from glmprov.remote.fan_out import for_each
from glmprov.results.review import HostReview


class LookBack:
    """What ran before on each host that has the instance."""

    def __init__(self, fleet: Fleet, name: str, said: Said) -> None:
        self._fleet = fleet
        self._name = name
        self._said = said
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
                f"receipt {current.number} ({current.recipe}) is its first: nothing ran before it",
                host=work.host.name,
                next_step=f"glmprov remove {self._name}",
            )
        with connect(work.host, self._fleet.connection) as channel:
            before = instances.read(channel, self._name, current.replaces)
            if before is None:
                raise PlanError(f"receipt {current.replaces} is gone", host=work.host.name)
            instance = instance_of(before)
            if instance.image is not None and not docker.inspect(
                channel, work.host.name, instance.image.pinned
            ):
                self._pull(work, instance.image)
        declared = (f"back to receipt {before.number}", *changed(current, instance, before.expected))
        expected = before.expected
        service = expected.engine_service and replace(
            expected.engine_service, texts=before.texts, key_texts=before.key_texts
        )
        return Planned(
            instance,
            None,
            replace(expected, engine_service=service),
            None,
            current,
            declared,
            (),
            before.accepted,
            replaces=before.replaces,
        )

    def _pull(self, work: Deployment, image: Image) -> None:
        if image.digest is None:
            raise FetchError(
                f"its image {image.reference} ({image.pinned}) is gone, and came from a file",
                host=work.host.name,
                next_step="docker load it there again",
            )
        with connect(work.host, self._fleet.connection) as channel:
            docker.pull(
                channel,
                work.host.name,
                image_name(image.pinned),
                lambda p: self._said(work.host.name, str(p)),
            )


def _in_force(held: HostReview, name: str) -> InstanceReceipt | None:
    seen = held.observation.instances.get(name) if held.observation else None
    return seen.receipt if seen and isinstance(seen.receipt, InstanceReceipt) else None
