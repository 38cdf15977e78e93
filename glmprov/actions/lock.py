"""`glmprov lock status | release`: who is changing a host."""

from __future__ import annotations

from dataclasses import dataclass

from glmprov import journal
from glmprov.actions.observe import Fleet
from glmprov.errors import GlmprovError
from glmprov.journal import LockInfo
from glmprov.remote import connect
from glmprov.remote.fan_out import for_each


@dataclass(frozen=True)
class HostLock:
    """The lock of one host; info None: nobody holds it."""

    host: str
    info: LockInfo | None = None
    error: GlmprovError | None = None


def status(fleet: Fleet) -> tuple[HostLock, ...]:
    """Read the lock of every host."""
    return _each(fleet, release=False)


def release(fleet: Fleet) -> tuple[HostLock, ...]:
    """Remove the lock of every host, whoever holds it; return what was there."""
    return _each(fleet, release=True)


def _each(fleet: Fleet, *, release: bool) -> tuple[HostLock, ...]:
    act = journal.release_lock if release else journal.read_lock
    found: dict[str, HostLock] = {}

    def work(host: object) -> LockInfo | None:
        with connect(host, fleet.connection) as channel:  # type: ignore[arg-type]
            return act(channel)

    for host, result in for_each(fleet.hosts, work, fleet.forks):
        if isinstance(result, GlmprovError):
            result.host = result.host or host.name
            found[host.name] = HostLock(host.name, error=result)
        else:
            found[host.name] = HostLock(host.name, info=result)
    return tuple(found[host.name] for host in fleet.hosts)
