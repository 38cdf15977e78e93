"""The hosts of a deploy held against what they are to be: at first, and again under the lock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from glmprov import drift
from glmprov.actions.deploy.work import Deployment, by_host
from glmprov.actions.observe import Fleet, Said, look, read_settings, review, review_all
from glmprov.errors import GlmprovError
from glmprov.inventory import Host
from glmprov.remote.fan_out import for_each
from glmprov.results.facts import HostFacts
from glmprov.results.review import HostReview


class Reviews:
    """The hosts of one command, each as its last look found it. Raise InventoryError if a host's settings are wrong."""

    def __init__(self, fleet: Fleet, said: Said) -> None:
        self._fleet = fleet
        self._said = said
        self._settings = read_settings(fleet.hosts)

    def first(self) -> Mapping[str, HostReview]:
        """Look at every host, by name."""
        found = review_all(self._fleet, drift.audit, self._said, self._settings)
        return {each.host: each for each in found}

    def again(self, works: Sequence[Deployment]) -> None:
        """Look at the deployments' hosts again; what went wrong is then their error."""

        def act(host: Host) -> HostReview:
            wanted = self._settings[host.name]
            facts = HostFacts(host.name, observation=look(self._fleet, host, wanted))
            return review(facts, wanted, drift.audit)

        instances = by_host(works)
        hosts = [each[0].host for each in instances.values()]
        for host, result in for_each(hosts, act, self._fleet.forks):
            for work in instances[host.name]:
                if isinstance(result, GlmprovError):
                    work.error = result
                else:
                    work.review, work.error = result, result.error
