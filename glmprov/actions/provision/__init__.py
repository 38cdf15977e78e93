"""`glmprov provision`: observe → plan → compare → apply → observe again, batch by batch, until nothing is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from glmprov.actions.changing.batches import ends_the_run, split
from glmprov.actions.changing.hooks import hooks_of
from glmprov.actions.changing.interrupt import Interrupt
from glmprov.actions.changing.orders import Orders
from glmprov.actions.changing.record import Recorder
from glmprov.actions.observe import Fleet, Said, read_settings, review
from glmprov.actions.provision.batch import bring, check, record
from glmprov.actions.provision.errand import PROVISION, Errand
from glmprov.actions.provision.outcome import outcome
from glmprov.actions.provision.run import Review, Run
from glmprov.actions.provision.work import Work
from glmprov.apply import Event, left_behind
from glmprov.remote.fan_out import default_forks
from glmprov.results.hook import HookCall
from glmprov.results.provision import HostProvision
from glmprov.results.review import HostReview

_FRESH_SECONDS = 60.0
"""A look that is older than this, because a person took time to say yes, is taken again."""


class Aborted(Exception):  # noqa: N818  (an answer, not an error)
    """The person said no. Nothing was changed."""


Confirm = Callable[[Sequence[HostReview]], bool]


def provision(
    fleet: Fleet,
    orders: Orders,
    confirm: Confirm,
    said: Said,
    on_event: Callable[[Event], None],
    *,
    told: Callable[[HookCall], str] = lambda _: "{}",
    interrupted: Callable[[], None] = lambda: None,
    review: Review = review,
    errand: Errand = PROVISION,
) -> tuple[HostProvision, ...]:
    """Bring every host to its plan; believe only a second look. Raise Aborted if the person says no.

    told makes what a hook reads. interrupted is called at the first Ctrl-C, which lets what is in flight end. review
    decides what a host should be: what its settings lead to, unless a saved plan says so. errand is how it comes to it.
    """
    run = Run(
        fleet,
        orders,
        settings=read_settings(fleet.hosts),
        hooks={host.name: hooks_of(host, orders) for host in fleet.hosts},
        review=review,
        errand=errand,
        recorder=Recorder(
            fleet,
            orders.reason,
            said,
            command=errand.command,
            plan=orders.plan,
            keeps_before=errand.keeps_before,
        ),
        interrupt=Interrupt(interrupted),
        said=said,
        on_event=on_event,
        told=told,
    )
    left_behind.clear(lambda text: said("this machine", text))
    works = run.first_look()
    ready = [work for work in works if work.changes(orders.reboot)]
    if orders.check:
        check(run, ready)
    else:
        looked_at = time.monotonic()
        if ready and not confirm([work.latest for work in works]):
            raise Aborted
        fresh = time.monotonic() - looked_at < _FRESH_SECONDS
        with run.interrupt.heard():
            _in_batches(run, ready, fresh)
            if not run.nothing_new():
                idle = [work for work in works if work not in ready]
                record(run, idle)
                run.recorder.release_left([work.host for work in idle if work.locked])
    return tuple(outcome(work, orders) for work in works)


def _in_batches(run: Run, ready: Sequence[Work], fresh: bool) -> None:
    """Bring hosts to their plans batch after batch, until one ends the run; later ones are looked at again."""
    ended = ""
    batches = split(ready, run.orders.serial)
    for number, batch in enumerate(batches, 1):
        for work in batch:
            work.batch = number
        for wave in _waves(run, batch):
            reason = ended or run.nothing_new()
            if reason:
                for work in wave:
                    work.not_begun = reason
                continue
            if len(batches) > 1:
                for work in wave:
                    run.said(work.host.name, f"batch {number} of {len(batches)}")
            bring(run, wave, fresh=fresh)
            fresh = False
        failed = sum(outcome(work, run.orders).failed for work in batch)
        reason = ends_the_run(failed, len(batch), run.orders.max_fail_percentage)
        ended = ended or (f"batch {number} ended the run: {reason}" if reason else "")


def _waves(run: Run, batch: Sequence[Work]) -> Iterator[Sequence[Work]]:
    """Yield a batch as it is, or so many hosts at a time as are worked on at once where nothing new may begin late."""
    size = len(batch) if run.orders.until is None else run.fleet.forks or default_forks()
    for begin in range(0, len(batch), size):
        yield batch[begin : begin + size]
