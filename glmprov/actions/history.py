"""`glmprov history`: every change on a host, from its own journal."""

from __future__ import annotations

from glmprov.actions.observe import Fleet
from glmprov.errors import GlmprovError
from glmprov.history import Wanted, acts, select
from glmprov.inventory import Host
from glmprov.journal.history import read
from glmprov.remote import connect
from glmprov.remote.fan_out import by_host
from glmprov.results.history import HostHistory


def history(fleet: Fleet, wanted: Wanted) -> tuple[HostHistory, ...]:
    """Read the history of every host; in the inventory's order. Needs no root."""

    def work(host: Host) -> HostHistory:
        with connect(host, fleet.connection) as channel:
            journal, lock = read(channel)
        at_work = lock.owner if lock and lock.live else None
        return HostHistory(host.name, select(acts(journal.entries, at_work), wanted), journal.unread)

    def lost(host: str, error: GlmprovError) -> HostHistory:
        return HostHistory(host, error=error)

    return tuple(by_host(fleet.hosts, work, lost, fleet.forks).values())
