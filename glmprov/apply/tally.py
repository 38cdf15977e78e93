"""What became of each host, counted from Ansible's events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from glmprov.apply.events import Event, Status, understand
from glmprov.errors import ApplyError
from glmprov.secret import Secret, redact


@dataclass(frozen=True)
class HostResult:
    """What became of a host. changed are the tasks that changed something; error is why it stopped.

    In check mode changed are the tasks that would. A host of which Ansible said nothing (interrupted, or it
    had nothing to do) has neither.
    """

    host: str
    changed: tuple[str, ...] = ()
    error: ApplyError | None = None
    unreachable: bool = False
    tasks: int = 0


class Tally:
    """Hears ansible-runner's events, passes them on, and keeps what became of each host in the stage at work.

    failed are the hosts that failed in any stage so far.
    """

    def __init__(self, on_event: Callable[[Event], None]) -> None:
        self._on_event = on_event
        self._secrets: tuple[Secret, ...] = ()
        self._results: dict[str, HostResult] = {}
        self._words: list[str] = []
        self.failed: set[str] = set()

    def begin(self, hosts: Iterable[str], secrets: tuple[Secret, ...]) -> None:
        """A stage begins on these hosts; secrets are what no message may hold."""
        self._secrets = secrets
        self._results = {host: HostResult(host) for host in hosts}

    def hear(self, raw: Mapping[str, Any]) -> None:
        """Take one event in."""
        self._words += [line for line in str(raw.get("stdout") or "").splitlines() if line.strip()]
        del self._words[:-20]
        event = understand(raw, self._secrets)
        if event is not None:
            if event.status is not Status.STARTED:
                self._count(event)
            self._on_event(event)

    def _count(self, event: Event) -> None:
        before = self._results.get(event.host, HostResult(event.host))
        failed = event.status in (Status.FAILED, Status.UNREACHABLE)
        changed = (f"{event.section}: {event.task}",) if event.status is Status.CHANGED else ()
        error = ApplyError(event.message, host=event.host, place=f"{event.section}: {event.task}".strip(": "))
        self._results[event.host] = HostResult(
            event.host,
            changed=before.changed + changed,
            error=error if failed else before.error,
            unreachable=before.unreachable or event.status is Status.UNREACHABLE,
            tasks=before.tasks + 1,
        )
        if failed:
            self.failed.add(event.host)

    def last_words(self) -> str:
        """Return what Ansible printed last, cleared of secrets."""
        return redact("\n".join(self._words), self._secrets)

    def results(self) -> Mapping[str, HostResult]:
        """Return what became of each host in this stage."""
        return dict(self._results)
