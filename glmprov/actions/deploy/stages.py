"""One batch of deployments: locked, looked at again, fetched for, written, swapped, recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from glmprov.actions.changing import hooks
from glmprov.actions.changing.hooks import Hooks
from glmprov.actions.changing.interrupt import Interrupt
from glmprov.actions.changing.record import Recorder
from glmprov.actions.deploy.fetching import fetch_image, fetch_weights
from glmprov.actions.deploy.orders import DeployOrders
from glmprov.actions.deploy.restoring import Restore
from glmprov.actions.deploy.swapping import Swap
from glmprov.actions.deploy.work import Deployment, became, by_host
from glmprov.actions.observe import Fleet
from glmprov.drift import Difference
from glmprov.errors import GateError, GlmprovError, UnreachableError
from glmprov.instance import Image
from glmprov.remote import connect
from glmprov.results.hook import HookCall


class Looks(Protocol):
    """What is to run on which host: a recipe, or what ran before."""

    def first(self) -> list[Deployment]:
        """Look at every host, and plan."""

    def again(self, works: Sequence[Deployment]) -> None:
        """Look again under the lock, and refuse where something else would be done now."""

    def with_image(self, work: Deployment, image: Image) -> None:
        """Plan again with what is known of the image now that it is there."""


@dataclass(frozen=True)
class Run:
    """One run: the hosts, what was ordered, how to look, how to swap, and what is left of it."""

    fleet: Fleet
    orders: DeployOrders
    look: Looks
    swap: Swap
    recorder: Recorder
    interrupt: Interrupt
    told: Callable[[HookCall], str]
    hooks: Mapping[str, Hooks]


def bring(run: Run, works: Sequence[Deployment], *, fresh: bool) -> None:
    """Deploy a batch. fresh: its hosts were looked at just now."""
    hosts = [those[0].host for those in by_host(works).values()]
    with run.recorder.locked(hosts) as refused:
        for work in works:
            work.error = refused.get(work.host.name)
        if not fresh:
            run.look.again(_well(works))
        if run.interrupt.asked:
            for work in _well(works):
                work.not_begun = "interrupted"
        _call(run, "before", _well(works))
        ready = _well(works)
        failed = run.recorder.begin((those[0].host, _differences(those)) for those in by_host(ready).values())
        for work in ready:
            work.error = work.error or failed.get(work.host.name)
        for together in _rounds(_well(ready)):
            _one_round(run, [work for work in together if _goes_on(run, work, ready)])
        run.recorder.finish((those[0].host, became(those)) for those in by_host(ready).values())
        _call(run, "after", ready)


def _goes_on(run: Run, work: Deployment, works: Sequence[Deployment]) -> bool:
    """Say whether an instance is begun, and note why not: what serves beside one that just failed is left alone."""
    broken = [each.name for each in works if each.host is work.host and each.error and each.stopped_at]
    if run.interrupt.asked:
        work.not_begun = "interrupted"
    elif broken:
        work.not_begun = f"{broken[0]} was replaced before it on this host and did not serve"
    return not work.not_begun


def _one_round(run: Run, works: Sequence[Deployment]) -> None:
    """Deploy at most one instance a host."""
    run.swap.each(works, lambda work: _fetch(run, work))
    ready = _well(works)
    if run.interrupt.asked:
        for work in ready:
            work.not_begun = "interrupted; what was fetched stays"
        return
    run.swap.write(ready)
    to_start = [work for work in _well(ready) if work.planned and work.planned.restarts]
    run.swap.each(to_start, run.swap.swap)
    run.swap.each(_well(ready), run.swap.settle)
    broken = [work for work in ready if work.error is not None and not _lost(work)]
    for work in broken:
        work.error = _gate_error(work)
    if broken:
        Restore(run.swap).restore(broken)


def _lost(work: Deployment) -> bool:
    """Say whether nothing can be put back: the host is gone, and goes on by itself with what it was told last."""
    error = work.error
    if not isinstance(error, UnreachableError):
        return False
    if work.written and work.planned is not None:
        recipe = work.planned.instance.recipe
        error.message += (
            f"; the host goes on by itself, stops what served and starts {recipe}, also at its next boot"
            if work.stopped_at
            else f"; what served goes on until the next boot, which starts {recipe}"
        )
        error.next_step = (
            f"once it is back: glmprov status -l {work.host.name}; the same deploy again goes on"
        )
    return True


def _gate_error(work: Deployment) -> GlmprovError | None:
    """Return an error of a swap that was begun as one of the gate: whatever it was, nothing serves yet."""
    error = work.error
    if error is None or isinstance(error, GateError) or work.stopped_at is None:
        return error
    return GateError(error.message, host=error.host, place=error.place, next_step=error.next_step)


def _fetch(run: Run, work: Deployment) -> None:
    planned = work.planned
    if planned is None or planned.lock is None:
        return
    with connect(work.host, run.fleet.connection) as channel:
        lock = planned.lock
        if lock.image is not None and planned.instance.image is not None:
            image = fetch_image(channel, work, lock.image, run.swap.said)
            if image != planned.instance.image:
                run.look.with_image(work, image)
        if work.ahead is not None:
            fetch_weights(channel, work, work.ahead, run.swap.said)


def _rounds(works: Sequence[Deployment]) -> Iterator[Sequence[Deployment]]:
    """Yield deployments so that each host has one at a time, in their order."""
    left = list(works)
    while left:
        seen: dict[str, Deployment] = {}
        for work in left:
            seen.setdefault(work.host.name, work)
        yield list(seen.values())
        left = [work for work in left if seen[work.host.name] is not work]


def _well(works: Sequence[Deployment]) -> list[Deployment]:
    return [work for work in works if work.error is None and not work.not_begun]


def _call(run: Run, event: Literal["before", "after"], works: Sequence[Deployment]) -> None:
    """Run each host's hook once. One that fails before stops its host, one afterwards marks it failed."""
    instances = by_host(works)

    def act(work: Deployment) -> None:
        command = getattr(run.hooks[work.host.name], event)
        if not command:
            return
        run.swap.said(work.host.name, f"hook {event}")
        those = instances[work.host.name]
        result = became(those) if event == "after" else None
        about = HookCall(event, work.batch, work.review, _differences(those), result)
        try:
            hooks.call(command, about, run.told, run.orders.run.hook_seconds)
        except GlmprovError as error:
            if event == "before":
                raise
            work.hook_failure = error

    run.swap.each([those[0] for those in instances.values()], act)
    for first, *others in instances.values():
        for work in others:
            work.error = work.error or (first.error if event == "before" else None)


def _differences(works: Sequence[Deployment]) -> tuple[Difference, ...]:
    return tuple(each for work in works for each in work.differences)
