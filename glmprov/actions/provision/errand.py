"""What a run does on its hosts: with which playbook and variables, and what it leaves there when it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from glmprov import state
from glmprov.actions.changing.record import Recorder
from glmprov.actions.provision.work import Work
from glmprov.errors import GlmprovError
from glmprov.settings import HostSettings

Settle = Callable[[Recorder, Mapping[str, HostSettings], Sequence[Work]], Mapping[str, GlmprovError]]
"""Leaves on each host that was seen to the end what is to be known of it; returns what failed, by host."""


@dataclass(frozen=True)
class Errand:
    """What a run is about. command is its name for people, in the lock and in the history.

    keeps_before: what it changes is kept, so that it can be taken back.
    """

    command: str
    playbook: str
    variables: Callable[[Work], dict[str, Any]]
    settle: Settle
    keeps_before: bool = True


def _receipts(
    recorder: Recorder, settings: Mapping[str, HostSettings], works: Sequence[Work]
) -> Mapping[str, GlmprovError]:
    """Leave a receipt of what was given to the roles."""
    return recorder.write_receipts(
        (
            work.host,
            settings[work.host.name],
            replace(plan, expected=work.recorded),
            replace(observation, files=work.files),
        )
        for work in works
        if (plan := work.latest.plan) is not None and (observation := work.latest.observation) is not None
    )


PROVISION = Errand("provision", "provision", lambda work: state.role_variables(work.given), _receipts)
"""Bring hosts to their plans."""
