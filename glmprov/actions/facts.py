"""`glmprov facts`: what is true on each host."""

from __future__ import annotations

from glmprov.actions.observe import Fleet, Said, look_at_all, silent
from glmprov.results import HostFacts


def facts(fleet: Fleet, said: Said = silent) -> tuple[HostFacts, ...]:
    """Probe every host; in the inventory's order."""
    found = {each.host: each for each in look_at_all(fleet, said)}
    return tuple(found[host.name] for host in fleet.hosts)
