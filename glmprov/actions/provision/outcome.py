"""What became of a host, key by key, by a second look. Pure."""

from __future__ import annotations

import time

from glmprov.actions.changing.orders import Orders
from glmprov.actions.provision.work import Work
from glmprov.drift import Difference, Verdict, classes, interrupts
from glmprov.results.provision import HostProvision, KeyResult, Mended, Waiting
from glmprov.state import Disruption


def outcome(work: Work, orders: Orders) -> HostProvision:
    """Return what became of the host, as ordered."""
    now = {each.key: each for each in work.latest.differences}
    keys = tuple(_key(work, orders, first, now.get(key)) for key, first in work.wanted.items())
    return HostProvision(
        host=work.host.name,
        keys=keys,
        notes=work.latest.plan.notes if work.latest.plan else (),
        error=work.error,
        applied=work.applied,
        rebooted=work.rebooted,
        seconds=time.monotonic() - work.started,
        failure=work.failure or work.hook_failure,
        batch=work.batch,
        not_begun=work.not_begun,
        waiting=_waiting(work, orders) if any(key.result is Mended.WAITS for key in keys) else None,
    )


def _waiting(work: Work, orders: Orders) -> Waiting:
    found = classes(work.waiting)
    return Waiting(work.serving, found, command(orders, work.host.name, found))


def command(orders: Orders, host: str, allow: tuple[Disruption, ...]) -> str:
    """Return the command that does on a host what waits there, and may interrupt this."""
    named = sorted({*allow, *orders.allowed}, key=list(Disruption).index)
    # What needs a reboot once it is declared would wait again.
    reboot = " --reboot" if Disruption.REBOOT in allow else ""
    return f"{orders.again} -l {host} --allow {','.join(named)}{reboot}"


def _key(work: Work, orders: Orders, first: Difference, now: Difference | None) -> KeyResult:
    result, reason = _mended(work, orders, now)
    after = now.observed if now else first.expected
    expected = now.expected if now else first.expected
    return KeyResult(first.key, first.observed, expected, after, result, reason, interrupts(first))


def _mended(work: Work, orders: Orders, now: Difference | None) -> tuple[Mended, str]:
    if now is None and work.error is None:
        return Mended.FIXED, ""
    if now is None or work.error is not None:
        return Mended.SKIPPED, "the host was lost on the way" if work.applied else "not begun"
    if work.waits(now.key) and not work.serving:
        return Mended.SKIPPED, "it can't be done without what is left to others (manage)"
    if work.waits(now.key) and (orders.reboot or not now.pending_reboot):
        what = interrupts(now)
        why = "this comes with what interrupts it" if what is Disruption.NONE else f"this interrupts: {what}"
        return Mended.WAITS, f"{' and '.join(work.serving)} serves; {why}"
    if orders.check:
        return Mended.SKIPPED, "check only"
    if work.not_begun:
        return Mended.SKIPPED, "not begun"
    if now.pending_reboot or work.waits_for_driver(now):
        return Mended.PENDING_REBOOT, _until_the_boot(work, now)
    if now.verdict is Verdict.UNKNOWN:
        return Mended.UNKNOWN, now.reason
    if now.verdict is Verdict.LATER:
        return Mended.SKIPPED, now.reason
    return _left(work, now)


def _until_the_boot(work: Work, now: Difference) -> str:
    if not now.pending_reboot:
        return "the loaded driver is not the installed one until the next boot"
    if work.waits(now.key):
        return f"takes effect at the next boot; {' and '.join(work.serving)} serves: --reboot --allow reboot"
    return "; ".join(filter(None, ("takes effect at the next boot", work.not_rebooted)))


def _left(work: Work, now: Difference) -> tuple[Mended, str]:
    """Return what a key is that should have been mended, and wasn't."""
    if work.failure is None:
        return (Mended.SKIPPED, work.stopped) if work.stopped else (Mended.FAILED, unmended(now.key))
    if (work.failure.place or "").startswith(f"{now.section}:"):
        return Mended.FAILED, about(now.key, str(work.failure.message)) or "see the error above"
    return Mended.SKIPPED, "not reached: applying stopped at the error above"


def about(key: str, message: str) -> str:
    """Return what a message says of the item of a key (limit_watts[GPU-4f…]), "" if it doesn't name it."""
    item = key.partition("[")[2].partition("]")[0]
    lines = (line.strip() for line in message.splitlines())
    return next((line for line in lines if item and line.startswith(f"{item}: ")), "").partition(": ")[2]


def unmended(key: str) -> str:
    """Return why a key is still not so, and what a person can do where no role can do anything."""
    if key.startswith("gpu_power.limit_in_force["):
        return "something else than the limit holds the card lower: see nvidia-smi -q -d POWER,PERFORMANCE"
    if key == "gpu_driver.next_kernel_module":
        return "nothing here builds or brings a module for the next kernel: don't reboot into it"
    card = key.removeprefix("gpu_driver.cards[").removesuffix("]")
    if card == key:
        return "applied without an error, and still not so"
    if not card.startswith("GPU-"):
        return "the card is in its slot and doesn't answer: reboot the host, or pull the card"
    return f"the card is gone: look at the host, or accept it with --forget-card {card}"
