"""The files of instances on their hosts, by the role engine_service. Nothing is started by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

from glmprov import apply
from glmprov.actions.deploy.work import Deployment
from glmprov.actions.observe import Fleet
from glmprov.errors import ApplyError, GlmprovError, UnreachableError
from glmprov.remote.fan_out import default_forks
from glmprov.remote.for_ansible import connection_variables
from glmprov.secret import Secret
from glmprov.state import InstanceState, role_variables


class Writer:
    """One Ansible for writing files and for putting them back. Leave the block, and it ends."""

    def __init__(self, fleet: Fleet, on_event: Callable[[apply.Event], None]) -> None:
        self._fleet = fleet
        options = apply.Options("deploy", forks=fleet.forks or default_forks())
        self._ansible = apply.Session(options, on_event)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ansible.__exit__(exc_type, exc, traceback)

    def prepare(self) -> None:
        """Start Ansible now, for files and for putting them back while nothing serves."""
        self._ansible.prepare([["engine_service"], ["engine_service"]])

    def write(
        self,
        works: Sequence[Deployment],
        states: dict[str, InstanceState],
        keys: Mapping[str, Secret | None],
    ) -> list[tuple[Deployment, GlmprovError | None]]:
        """Let the role write each host's files; return with each what went wrong, None where nothing did."""
        if not works:
            return []
        variables = {
            work.host.name: role_variables(
                InstanceState(engine_service=states[work.host.name].engine_service)
            )
            | ({"engine_service_key": keys[work.host.name]} if keys.get(work.host.name) else {})
            | connection_variables(work.host, self._fleet.connection)
            for work in works
        }
        try:
            became = self._ansible.apply(variables, {name: ["engine_service"] for name in variables})
        except ApplyError as error:
            return [(work, error) for work in works]
        return [(work, _error(became[work.host.name])) for work in works]


def _error(result: apply.HostResult) -> GlmprovError | None:
    """Return what went wrong on a host. One that Ansible can't reach is lost, as it is to everybody else here."""
    error = result.error
    if error is None or not result.unreachable:
        return error
    return UnreachableError(error.message, host=error.host, place=error.place)
