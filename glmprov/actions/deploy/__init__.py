"""`glmprov deploy`: lock → look → check → fetch while the old serves → write → swap → gate → receipt, or as it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from glmprov.actions.changing.batches import ends_the_run, split
from glmprov.actions.changing.hooks import hooks_of
from glmprov.actions.changing.interrupt import Interrupt
from glmprov.actions.changing.record import Recorder
from glmprov.actions.deploy.looking import Look
from glmprov.actions.deploy.orders import DeployOrders
from glmprov.actions.deploy.rolling_back import LookBack
from glmprov.actions.deploy.stages import Looks, Run, bring
from glmprov.actions.deploy.swapping import Swap
from glmprov.actions.deploy.work import Deployment
from glmprov.actions.deploy.writing import Writer
from glmprov.actions.observe import Fleet, Said
from glmprov.actions.provision import Aborted
from glmprov.apply import Event, left_behind
from glmprov.recipe.library import Library
from glmprov.results.hook import HookCall

__all__ = ["Aborted", "DeployOrders", "Deployment", "deploy", "rollback"]

_FRESH_SECONDS = 60.0

Confirm = Callable[[Sequence[Deployment]], bool]


def deploy(
    fleet: Fleet,
    orders: DeployOrders,
    library: Library,
    confirm: Confirm,
    said: Said,
    on_event: Callable[[Event], None],
    *,
    cwd: Path,
    told: Callable[[HookCall], str] = lambda _: "{}",
    interrupted: Callable[[], None] = lambda: None,
) -> tuple[Deployment, ...]:
    """Bring every host to its instances; believe only tokens. Raise Aborted if the person says no.

    A host that can't be brought there is left as it was; what became of each is in its deployment.
    """
    look = Look(fleet, orders, library, said, cwd)
    return _carried_out(look, fleet, orders, confirm, said, on_event, told, interrupted)


def rollback(
    fleet: Fleet,
    name: str,
    orders: DeployOrders,
    confirm: Confirm,
    said: Said,
    on_event: Callable[[Event], None],
    *,
    told: Callable[[HookCall], str] = lambda _: "{}",
    interrupted: Callable[[], None] = lambda: None,
) -> tuple[Deployment, ...]:
    """Bring an instance back to the receipt before the one in force, on every host that has it; gated as any deploy."""
    return _carried_out(
        LookBack(fleet, name, said), fleet, orders, confirm, said, on_event, told, interrupted
    )


def _carried_out(
    look: Looks,
    fleet: Fleet,
    orders: DeployOrders,
    confirm: Confirm,
    said: Said,
    on_event: Callable[[Event], None],
    told: Callable[[HookCall], str],
    interrupted: Callable[[], None],
) -> tuple[Deployment, ...]:
    left_behind.clear(lambda text: said("this machine", text))
    works = look.first()
    ready = [work for work in works if work.todo]
    looked_at = time.monotonic()
    if ready and not confirm(works):
        raise Aborted(tuple(works))
    recorder = Recorder(fleet, orders.run.reason, said, command=orders.command, keeps_before=False)
    called = {host.name: hooks_of(host, orders.run) for host in fleet.hosts}
    with Writer(fleet, on_event) as writer:
        run = Run(
            fleet, orders, look, Swap(fleet, said, writer), recorder, Interrupt(interrupted), told, called
        )
        with run.interrupt.heard():
            _in_batches(run, ready, time.monotonic() - looked_at < _FRESH_SECONDS)
    return tuple(works)


def _in_batches(run: Run, ready: Sequence[Deployment], fresh: bool) -> None:
    """Deploy batch after batch, until one ends the run."""
    hosts = list(dict.fromkeys(work.host.name for work in ready))
    batches, ended = split(hosts, run.orders.run.serial), ""
    for number, names in enumerate(batches, 1):
        batch = [work for work in ready if work.host.name in names]
        for work in batch:
            work.batch = number
        reason = ended or ("interrupted" if run.interrupt.asked else "")
        if reason:
            for work in batch:
                work.not_begun = reason
            continue
        if len(batches) > 1:
            for name in names:
                run.swap.said(name, f"batch {number} of {len(batches)}")
        bring(run, batch, fresh=fresh)
        fresh = False
        failed = len({work.host.name for work in batch if work.failed})
        reason = ends_the_run(failed, len(names), run.orders.run.max_fail_percentage)
        ended = f"batch {number} ended the run: {reason}" if reason else ""
