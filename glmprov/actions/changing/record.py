"""What a change leaves on hosts besides itself: a lock while it works, a receipt when it is done, its history."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from glmprov import __version__
from glmprov.actions.changing.receipts import plan_of, receipt_of, says_the_same, settled
from glmprov.actions.observe import Fleet, Said
from glmprov.drift import Difference
from glmprov.errors import GlmprovError
from glmprov.history import Change, Entry, Event
from glmprov.inventory import Host
from glmprov.journal import HOME, history, receipts
from glmprov.journal.lock import Lock, owner, release_left
from glmprov.observation import Observation
from glmprov.operate.reboot import reboot
from glmprov.plan import HostPlan
from glmprov.receipt import Receipt
from glmprov.remote import connect
from glmprov.remote.fan_out import for_each
from glmprov.remote.for_ansible import shared_options
from glmprov.results.provision import HostProvision, Mended
from glmprov.settings import HostSettings
from glmprov.state import Unknown
from glmprov.state.data import data


class Recorder:
    """The locks that one run holds, the receipts that it writes, and what it enters into each host's history.

    command is the verb that the history names; plan the id of the saved plan that is carried out, if one is.
    keeps_before: what is changed is kept, so that it can be taken back; taking back itself is not.
    """

    def __init__(
        self,
        fleet: Fleet,
        reason: str,
        said: Said,
        *,
        command: str = "provision",
        plan: str = "",
        keeps_before: bool = True,
        home: str = HOME,
    ) -> None:
        self._fleet = fleet
        self._reason = reason
        self._command = command
        self._plan = plan
        self._keeps_before = keeps_before
        self._home = home
        self._run = secrets.token_hex(6)
        self._begun: dict[str, set[str]] = {}
        self._before: dict[str, Mapping[str, Any]] = {}
        self._said = said
        self._channels = ExitStack()
        self._locks: dict[str, Lock] = {}

    @contextmanager
    def locked(self, hosts: Sequence[Host]) -> Iterator[Mapping[str, GlmprovError]]:
        """Hold the lock of each host; yield why it could not be had, by host."""
        with self._channels:
            try:
                yield self._on_each(hosts, self._acquire)
            finally:
                held = [host for host in hosts if host.name in self._locks]
                self._on_each(held, self._release)

    def _acquire(self, host: Host) -> None:
        # Ansible comes next: one login for both.
        channel = self._channels.enter_context(connect(host, shared_options(host, self._fleet.connection)))
        lock = Lock(channel, host.name, self._reason or self._command, home=self._home)
        self._locks[host.name] = lock.__enter__()
        if lock.expired is not None:
            why = "its process is gone" if lock.expired.live else "its lease has run out"
            self._said(host.name, f"took over the lock of {lock.expired.owner}: {why}")

    def _release(self, host: Host) -> None:
        lock = self._locks.pop(host.name)
        try:
            lock.__exit__(None, None, None)
        except GlmprovError as error:
            self._said(lock.host, f"its lock could not be released and ends by itself: {error.message}")

    def release_left(self, hosts: Sequence[Host]) -> None:
        """Take away locks that a killed run of ours has left on hosts with nothing to do."""

        def work(host: Host) -> None:
            with connect(host, self._fleet.connection) as channel:
                left = release_left(channel, home=self._home)
            if left is not None:
                self._said(host.name, f"released the lock of {left.owner}: its process is gone")

        for name, error in self._on_each(hosts, work).items():
            self._said(name, f"its lock could not be looked at: {error.message}")

    def reboot(self, host: Host) -> None:
        """Reboot a host that we hold; the lock outlasts it."""
        lock = self._locks[host.name]
        self._enter(host, self._entry(Event.DONE, command="reboot"))
        lock.expect_reboot()
        reboot(host, self._fleet.connection, self._said)
        lock.came_back(self._channels.enter_context(connect(host, self._fleet.connection)))

    def begin(self, planned: Iterable[tuple[Host, Sequence[Difference]]]) -> Mapping[str, GlmprovError]:
        """Enter into each host's history what is about to be changed; return what failed, by host.

        Call it under the lock, before a change; of what this run has entered before, nothing is entered again. A host
        whose history can't be written (a full disk) must not be changed.
        """
        hosts, entries = [], {}
        for host, differences in planned:
            entered = self._begun.setdefault(host.name, set())
            new = [each for each in differences if each.key not in entered]
            if new:
                hosts.append(host)
                entered |= {each.key for each in new}
                changes = tuple(Change(each.key, data(each.observed), data(each.expected)) for each in new)
                entries[host.name] = self._entry(Event.BEGUN, changes=changes)

        def enter(host: Host) -> None:
            entry = entries[host.name]
            kept = (each for each in entry.changes if self._keeps_before and is_value(each.key))
            before = {each.key: each.before for each in kept}
            with connect(host, self._fleet.connection) as channel:
                self._before[host.name] = history.begin(channel, entry, before, home=self._home)

        return self._on_each(hosts, enter)

    def finish(self, results: Iterable[tuple[Host, HostProvision]]) -> None:
        """Enter what became of every host that was begun. One that is lost keeps its entry "begun" alone."""
        ended = {host.name: (host, result) for host, result in results if self._begun.pop(host.name, None)}

        def enter(host: Host) -> None:
            _, result = ended[host.name]
            entry = self._entry(
                Event.DONE,
                changes=tuple(
                    Change(key.key, data(key.before), data(key.after), key.result.value)
                    for key in result.keys
                    if key.result is not Mended.WAITS
                ),
                rebooted=result.rebooted,
                seconds=round(result.seconds, 1),
                error=str(result.error or result.failure or ""),
            )
            self._enter(host, entry)

        for name, error in self._on_each([host for host, _ in ended.values()], enter).items():
            self._said(name, f"the end of this change is missing in its history: {error.message}")

    def write_receipts(
        self, seen: Iterable[tuple[Host, HostSettings, HostPlan, Observation]]
    ) -> Mapping[str, GlmprovError]:
        """Write the receipt of each host that is not as its receipt says; return what failed, by host."""
        hosts, new, forgotten = [], {}, {}
        anew = set()  # where no receipt that can be read knows what was before
        for host, settings, plan, observation in seen:
            forgotten[host.name] = settled(plan.expected, observation.receipt)
            before = self._before_of(host, observation.receipt)
            receipt = replace(
                receipt_of(settings, plan, observation),
                before={key: value for key, value in before.items() if key not in forgotten[host.name]},
                plan=self._plan or ("" if host.name in self._begun else plan_of(observation.receipt)),
            )
            if not says_the_same(receipt, observation.receipt):
                hosts.append(host)
                new[host.name] = receipt
                if not isinstance(observation.receipt, Receipt):
                    anew.add(host.name)

        def work(host: Host) -> None:
            receipt = new[host.name]
            with connect(host, self._fleet.connection) as channel:
                if host.name in anew and host.name not in self._before:
                    before = {**receipt.before, **receipts.read_before(channel, home=self._home)}
                    receipt = replace(receipt, before=before)
                receipts.write(channel, receipt, forgotten[host.name], home=self._home)

        return self._on_each(hosts, work)

    def replace_receipts(self, new: Iterable[tuple[Host, Receipt | None]]) -> Mapping[str, GlmprovError]:
        """Put the receipt on each host that is left after taking back, None for none; return what failed, by host."""
        by_host = {host.name: (host, receipt) for host, receipt in new}

        def work(host: Host) -> None:
            _, receipt = by_host[host.name]
            with connect(host, self._fleet.connection) as channel:
                receipts.take_back(channel, receipt, home=self._home)

        return self._on_each([host for host, _ in by_host.values()], work)

    def _before_of(self, host: Host, old: Receipt | Unknown | None) -> Mapping[str, Any]:
        """Return what each key was before we first changed it: older runs know best."""
        known = old.before if isinstance(old, Receipt) else {}
        return {**self._before.get(host.name, {}), **known}

    def _entry(self, event: Event, *, command: str = "", **more: Any) -> Entry:
        return entry(
            command or self._command, event, run=self._run, reason=self._reason, plan=self._plan, **more
        )

    def _enter(self, host: Host, entry: Entry) -> None:
        with connect(host, self._fleet.connection) as channel:
            history.append(channel, entry, home=self._home)

    def _on_each(self, hosts: Sequence[Host], work: Callable[[Host], None]) -> Mapping[str, GlmprovError]:
        """Do work on each host; return what failed, by host."""
        results = for_each(hosts, work, self._fleet.forks)
        return {host.name: result for host, result in results if isinstance(result, GlmprovError)}


def entry(command: str, event: Event, **more: Any) -> Entry:
    """Return an entry of the history about something that is done now, by us."""
    return Entry(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        event=event,
        command=command,
        owner=owner(),
        glmprov_version=__version__,
        **{"run": secrets.token_hex(6), **more},
    )


def is_value(key: str) -> bool:
    """Say whether a key is a value of a section, and not a file's text."""
    return ".files[" not in key and "." in key
