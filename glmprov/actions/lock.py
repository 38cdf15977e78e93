"""`glmprov lock status | release`: who is changing a host."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from glmprov.actions.changing.record import entry
from glmprov.actions.observe import Fleet
from glmprov.errors import GlmprovError
from glmprov.history import Event
from glmprov.inventory import Host
from glmprov.journal import history, lock
from glmprov.receipt import LockState
from glmprov.remote import Channel, connect
from glmprov.remote.fan_out import by_host
from glmprov.results.lock import HostLock


def status(fleet: Fleet) -> tuple[HostLock, ...]:
    """Read the lock of every host."""
    return _each(fleet, lock.status)


def release(fleet: Fleet) -> tuple[HostLock, ...]:
    """Remove the lock of every host, whoever holds it; return what was there."""
    return tuple(replace(each, released=each.info is not None) for each in _each(fleet, _release))


def _release(channel: Channel) -> LockState | None:
    taken = lock.release(channel)
    if taken is not None:
        history.append(channel, entry("lock release", Event.DONE, reason=taken.text))
    return taken


def _each(fleet: Fleet, act: Callable[[Channel], LockState | None]) -> tuple[HostLock, ...]:
    def work(host: Host) -> HostLock:
        with connect(host, fleet.connection) as channel:
            return HostLock(host.name, info=act(channel))

    def lost(host: str, error: GlmprovError) -> HostLock:
        return HostLock(host, error=error)

    return tuple(by_host(fleet.hosts, work, lost, fleet.forks).values())
