"""What deploy asks of an instance on its host: its gate, and which processes are its own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from glmprov.actions.deploy.planned import Planned
from glmprov.actions.deploy.records import instance_of
from glmprov.instance import Instance, gate_path
from glmprov.instance.model import GATE_PROGRAM
from glmprov.operate import docker
from glmprov.remote import Channel

_GATE_SECONDS = 300.0


@dataclass(frozen=True)
class Answered:
    """What the gate says of an instance: whether it serves, or why not."""

    serves: bool
    reason: str = ""
    tokens: int = 0
    seconds: float = 0.0
    answer: str = ""
    tool_call: bool = False


def gate(channel: Channel, instance: Instance) -> Answered:
    """Ask what a deploy asks: sane text, and a tool call where a parser is named."""
    done = channel.run(
        [GATE_PROGRAM, "--deploy", gate_path(instance)], become=True, deadline_seconds=_GATE_SECONDS
    )
    found = last_word(done.stdout.decode(errors="replace").splitlines())
    return found or Answered(False, f"the gate ended with {done.returncode} and no word")


def marks(channel: Channel, host: str, planned: Planned) -> tuple[str, ...]:
    """Return by what the control groups of our own processes are known: the unit's name, and the container's id.

    The container may be that of the instance before, which ran from an image where this one doesn't.
    """
    instance, before = planned.instance, planned.previous
    if not instance.image and not (before and instance_of(before).image):
        return (instance.unit,)
    container = docker.container(channel, host, instance.container)
    return (instance.unit, *([str(container["Id"])] if container else []))


def last_word(lines: Iterable[str]) -> Answered | None:
    """Return what the gate said last, in its own output or in the unit's log, None if it said nothing."""
    for line in reversed(list(lines)):
        if line.startswith("{") and '"serves"' in line:
            said = _read(line)
            if said is not None:
                return Answered(
                    bool(said.get("serves")),
                    str(said.get("reason", "")),
                    int(said.get("tokens", 0)),
                    float(said.get("seconds", 0.0)),
                    str(said.get("answer", "")),
                    "tool_call" in said,
                )
    return None


def _read(line: str) -> Mapping[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
