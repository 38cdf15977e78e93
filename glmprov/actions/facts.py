"""`glmprov facts`: what is true on each host."""

from __future__ import annotations

from dataclasses import replace

from glmprov import topology
from glmprov.actions.observe import Fleet, Said, look_at_all, silent
from glmprov.errors import InventoryError
from glmprov.results.facts import HostFacts
from glmprov.settings.sets import SETS, named_sets
from glmprov.topology import NamedSets


def facts(fleet: Fleet, said: Said = silent) -> tuple[HostFacts, ...]:
    """Probe every host; in the inventory's order. Raise InventoryError where named sets aren't even well-formed."""
    named = _named(fleet)
    found = {each.host: with_sets(each, named[each.host]) for each in look_at_all(fleet, said)}
    return tuple(found[host.name] for host in fleet.hosts)


def _named(fleet: Fleet) -> dict[str, NamedSets]:
    """Return each host's named sets. Nothing else of the inventory counts for facts, so nothing else is checked."""
    named: dict[str, NamedSets] = {}
    faults: list[str] = []
    for host in fleet.hosts:
        try:
            named[host.name] = named_sets(host.variables.get(SETS))
        except ValueError as error:
            faults += [f"{host.name}: {SETS}: {line}" for line in str(error).splitlines()]
    if faults:
        raise InventoryError("\n".join(faults), next_step="`glmprov facts --sets` shows the cards' UUIDs")
    return named


def with_sets(found: HostFacts, named: NamedSets) -> HostFacts:
    """Return the facts with the named sets, or with the reasons why there can't be such sets."""
    if found.observation is None or not named:
        return found
    faults = topology.named_faults(found.observation.hardware, named)
    if faults:
        return replace(found, error=InventoryError("\n".join(faults), host=found.host))
    return replace(found, named=named)
