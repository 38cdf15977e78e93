"""Look at many hosts at once and hold each against its plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from glmprov import drift, plan, settings
from glmprov.errors import GlmprovError, InventoryError
from glmprov.inventory import Host
from glmprov.observation import Observation
from glmprov.probe import observe
from glmprov.remote import ConnectOptions, connect
from glmprov.remote.fan_out import for_each
from glmprov.results.facts import HostFacts
from glmprov.results.review import HostReview
from glmprov.settings import HostSettings


@dataclass(frozen=True)
class Fleet:
    """The hosts of one command, how to reach them, how many at once (None: by our cores), and their inventories.

    whole returns all hosts of the inventories, where the command is about some of them.
    """

    hosts: tuple[Host, ...]
    connection: ConnectOptions = field(default_factory=ConnectOptions)
    forks: int | None = None
    sources: tuple[Path, ...] = ()
    whole: Callable[[], tuple[Host, ...]] | None = None

    def everyone(self) -> tuple[Host, ...]:
        """Return all hosts of the inventories, also those that the command isn't about."""
        return self.whole() if self.whole else self.hosts


Said = Callable[[str, str], None]
"""Called with a host's name and what is happening to it, as it happens, from any thread."""


def silent(_host: str, _text: str) -> None:
    """Say nothing."""


def read_settings(hosts: Sequence[Host]) -> Mapping[str, HostSettings]:
    """Return each host's settings. Raise InventoryError with every fault of every host."""
    found: dict[str, HostSettings] = {}
    faults: list[str] = []
    next_step = None
    for host in hosts:
        try:
            found[host.name] = settings.from_variables(host.name, host.variables, host.source)
        except InventoryError as error:
            faults.append(str(error))
            next_step = next_step or error.next_step
    if faults:
        raise InventoryError("\n".join(dict.fromkeys(faults)), next_step=next_step)
    return found


def look(fleet: Fleet, host: Host, wanted: HostSettings | None = None) -> Observation:
    """Probe one host in one round trip, as root where there is a way to be root. wanted may name more to read."""
    with connect(host, fleet.connection) as channel:
        return observe(
            channel,
            host.name,
            become=channel.becomes,
            interpreter=_interpreter(host),
            sysctl_keys=tuple((wanted and wanted.host_tuning.sysctl) or ()),
        )


def _interpreter(host: Host) -> str:
    """Return the host's Python. Ansible's "auto" words mean python3 to us."""
    named = str(host.variables.get("ansible_python_interpreter") or "auto")
    return "python3" if named.startswith("auto") else named


def look_at_all(
    fleet: Fleet, said: Said = silent, wanted: Mapping[str, HostSettings] | None = None
) -> Iterator[HostFacts]:
    """Probe every host, each result as it comes. One bad host never stops the others."""

    def work(host: Host) -> Observation:
        return look(fleet, host, (wanted or {}).get(host.name))

    for host, result in for_each(fleet.hosts, work, fleet.forks):
        if isinstance(result, GlmprovError):
            said(host.name, str(result.message))
            yield HostFacts(host.name, error=result)
        else:
            said(host.name, "probed")
            yield HostFacts(host.name, observation=result)


Compare = Callable[[Observation, plan.HostPlan], tuple[drift.Difference, ...]]


def against_plan(
    observation: Observation, wanted: plan.HostPlan, before: Mapping[str, str | None] | None = None
) -> tuple[drift.Difference, ...]:
    """Return every key where the host differs from its plan, and every file of ours that was edited.

    before are the files' sums at the start of a run that applies: what has changed since then, the run has written.
    """
    values = drift.compare(observation.host, wanted.expected, observation.state, wanted.reasons, wanted.modes)
    return drift.heeded((*values, *drift.compare_files(observation, values, before, wanted.modes)))


def review(facts: HostFacts, wanted: HostSettings, compare: Compare = against_plan) -> HostReview:
    """Hold one host's facts against the plan that its settings lead to."""
    if facts.observation is None:
        return HostReview(facts.host, error=facts.error)
    try:
        its_plan = plan.build(wanted, facts.observation)
    except GlmprovError as error:
        error.host = error.host or facts.host
        return HostReview(facts.host, facts.observation, error=error)
    differences = compare(facts.observation, its_plan)
    return HostReview(facts.host, facts.observation, its_plan, differences)


def review_all(
    fleet: Fleet,
    compare: Compare = against_plan,
    said: Said = silent,
    wanted: Mapping[str, HostSettings] | None = None,
) -> tuple[HostReview, ...]:
    """Probe every host and hold it against its plan; in the inventory's order. wanted None: as the inventory says."""
    wanted = wanted or read_settings(fleet.hosts)
    found = {
        facts.host: review(facts, wanted[facts.host], compare) for facts in look_at_all(fleet, said, wanted)
    }
    return tuple(found[host.name] for host in fleet.hosts)
