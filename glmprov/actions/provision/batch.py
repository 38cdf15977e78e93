"""One batch of hosts: locked, looked at again, changed in stages, rebooted where that was ordered, recorded."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Literal

from glmprov import apply
from glmprov.actions.changing import hooks
from glmprov.actions.provision.outcome import outcome
from glmprov.actions.provision.run import Run
from glmprov.actions.provision.work import Work, grown
from glmprov.drift import Difference
from glmprov.errors import ApplyError, GlmprovError, MovedOnError
from glmprov.remote.fan_out import default_forks
from glmprov.remote.for_ansible import connection_variables
from glmprov.results.hook import HookCall

_STAGES = 4
"""Facts that appear on the way (a driver, then its cards) need two; more doesn't converge."""


def bring(run: Run, works: Sequence[Work], *, fresh: bool) -> None:
    """Bring the hosts of a batch to their plans. fresh: they were looked at just now."""
    changes = {work.host.name: work.changes(run.orders.reboot) for work in works}
    for work in works:
        work.started = time.monotonic()
    with _ansible(run) as ansible:
        _start_early(ansible, works)
        with run.recorder.locked([work.host for work in works]) as refused:
            for work in works:
                work.error = refused.get(work.host.name)
            if not fresh:
                _look_once_more(run, _well(works), changes)
            _under_lock(run, _well(works), changes, ansible)


def _under_lock(
    run: Run, ready: Sequence[Work], changes: dict[str, tuple[Difference, ...]], ansible: apply.Session
) -> None:
    if run.interrupt.asked:
        for work in ready:
            work.not_begun = "interrupted"
        return
    _call(run, "before", ready, changes)
    begun = _well(ready)
    _converge(run, begun, ansible)
    record(run, begun)
    _call(run, "after", begun, changes)


def check(run: Run, works: Sequence[Work]) -> None:
    """Let Ansible tell what it would change on the hosts, and change nothing."""
    with _ansible(run) as ansible:
        _apply(run, works, ansible)


def _ansible(run: Run) -> apply.Session:
    options = apply.Options(
        run.errand.playbook,
        check=run.orders.check,
        diff=run.orders.diff,
        forks=run.fleet.forks or default_forks(),
    )
    return apply.Session(options, run.on_event)


def _start_early(ansible: apply.Session, works: Sequence[Work]) -> None:
    """Start Ansible while the hosts are locked, for the stages that can be foreseen."""
    now = {section for work in works for section in work.sections}
    later = {section for work in works for section in work.later_sections} - now
    if now:
        ansible.prepare([now, later] if later else [now])


def _apply(run: Run, works: Sequence[Work], ansible: apply.Session) -> None:
    """Let Ansible apply the sections that differ, on the hosts where they differ."""
    if not works:
        return
    try:
        became = ansible.apply(
            {work.host.name: _variables(run, work) for work in works},
            {work.host.name: work.sections for work in works},
        )
    except ApplyError as error:  # Ansible itself failed; what became of other batches is still to be told
        for work in works:
            work.failure = error
        return
    for work in works:
        work.applied = True
        work.failure = became[work.host.name].error


def record(run: Run, works: Sequence[Work]) -> None:
    """Leave on every host that was seen to the end what the errand leaves there, and end its history."""
    failed = run.errand.settle(run.recorder, run.settings, _well(works))
    for work in works:
        work.error = work.error or failed.get(work.host.name)
    run.recorder.finish((work.host, outcome(work, run.orders)) for work in works)


def _entered(run: Run, works: Sequence[Work]) -> list[Work]:
    """Enter what is about to be changed into each host's history; return the hosts that could keep it."""
    failed = run.recorder.begin((work.host, work.changes(run.orders.reboot)) for work in works)
    for work in works:
        work.error = work.error or failed.get(work.host.name)
    return _well(works)


def _well(works: Sequence[Work]) -> list[Work]:
    return [work for work in works if work.error is None]


def _look_once_more(run: Run, works: Sequence[Work], shown: dict[str, tuple[Difference, ...]]) -> None:
    """Look again at hosts that wait since the plan was shown; refuse those where more would be done now."""
    run.look_again(works, begun=False)
    for work in _well(works):
        more = grown(shown[work.host.name], work.changes(run.orders.reboot))
        if more:
            work.error = MovedOnError(
                f"it moved on since the plan was shown; this would be changed too: {', '.join(more)}",
                host=work.host.name,
                next_step="run it again to see and confirm the new plan",
            )


def _converge(run: Run, works: Sequence[Work], ansible: apply.Session) -> None:
    """Apply and look again until nothing is left; reboot where that is ordered, and once more."""
    _stages(run, works, ansible)
    if not run.orders.reboot:
        return
    ansible.end()
    due = [work for work in _well(works) if work.pending_reboot]
    for work in due:
        work.not_rebooted = _why_not(run, work)
    rebooted = _entered(run, [work for work in due if not work.not_rebooted])
    for work, result in run.each(rebooted, lambda work: run.recorder.reboot(work.host)):
        work.rebooted = not isinstance(result, GlmprovError)
        work.error = result if isinstance(result, GlmprovError) else work.error
        work.stuck = False  # what could not be mended before the reboot may be now
    run.look_again(_well(rebooted))
    _stages(run, rebooted, ansible)


def _why_not(run: Run, work: Work) -> str:
    """Return why a host isn't rebooted although that is ordered and due, "" if it is."""
    if work.must_not_boot:
        return work.must_not_boot
    if work.failure is not None:  # what is half done might not come back
        return "not rebooted: applying failed"
    if work.host.is_local:  # the run would end with it, before the receipt is written
        return "this run's own machine: reboot it yourself"
    return run.nothing_new()


def _stages(run: Run, works: Sequence[Work], ansible: apply.Session) -> None:
    for _ in range(_STAGES):
        todo = [work for work in works if work.goes_on]
        if todo and run.interrupt.asked:
            for work in todo:
                work.stopped = "interrupted before it was applied"
            return
        todo = _entered(run, todo)
        if not todo:
            return
        before = {work.host.name: {each.key for each in work.actionable} for work in todo}
        _apply(run, todo, ansible)
        run.look_again(todo)
        for work in todo:
            left = {each.key for each in work.actionable}
            # What failed once fails again: the person mends it, not another stage.
            work.stuck = work.failure is not None or left == before[work.host.name]


def _variables(run: Run, work: Work) -> dict[str, Any]:
    return run.errand.variables(work) | connection_variables(work.host, run.fleet.connection)


def _call(
    run: Run,
    event: Literal["before", "after"],
    works: Sequence[Work],
    changes: dict[str, tuple[Difference, ...]],
) -> None:
    """Run the hosts' hooks. One that fails before the first change stops its host, one afterwards marks it failed."""

    def act(work: Work) -> None:
        command = getattr(run.hooks[work.host.name], event)
        if not command:
            return
        run.said(work.host.name, f"hook {event}")
        result = outcome(work, run.orders) if event == "after" else None
        about = HookCall(event, work.batch, work.latest, changes[work.host.name], result)
        hooks.call(command, about, run.told, run.orders.hook_seconds)

    for work, failed in run.each(works, act):
        if isinstance(failed, GlmprovError) and event == "before":
            work.error = failed
        elif isinstance(failed, GlmprovError):
            work.hook_failure = failed
