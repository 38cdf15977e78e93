"""What has moved since a plan was saved. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from glmprov.drift import Verdict
from glmprov.plan.saved.document import Change, Machine, SavedHost
from glmprov.state import Manage

_OF_THE_DRIVER = ("gpu_driver.origin", "gpu_driver.branch", "gpu_driver.version")
_LINES = 12
"""So many things that moved are named for a host; a host that somebody else provisioned has moved in all of them."""


def changed(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is not as it was, a line each: "gpu_driver_branch: was 580, is 595"."""
    for name in dict.fromkeys([*then, *now]):
        was, is_now = _steady(then.get(name)), _steady(now.get(name))
        if was != is_now:
            yield f"{name}: was {_said(was)}, is {_said(is_now)}"


def moved(then: SavedHost, now: SavedHost, *, begun: bool) -> tuple[str, ...]:
    """Return what is no longer as it was when the plan was made, a line each; nothing if the plan still holds.

    begun: the host's receipt says that this plan was applied, to its end or not. Then what the plan was to change,
    and what was to be known later, may have changed; anything else that would be changed now has moved. A host on
    which nothing is left to do is as planned, whoever brought it there.
    """
    if then.machine is None or now.machine is None:
        return (f"there is no plan for it: {then.error.message if then.error else 'it was not looked at'}",)
    if begun:
        lines = [*_machine_moved(then.machine, now.machine), *_beyond(then, now)]
    elif not now.changes and _flat(then) == _flat(now):
        lines = []
    else:
        machine = changed(then.machine.model_dump(), now.machine.model_dump())
        lines = [*machine, *_differences_moved(then, now), *changed(_flat(then), _flat(now))]
    hidden = len(lines) - _LINES
    return (*lines[:_LINES], *([f"and {hidden} more"] if hidden > 0 else []))


def _machine_moved(then: Machine, now: Machine) -> Iterator[str]:
    """Yield what applying a plan doesn't change: bus ids and the kernel may move with the reboot that it asks for."""
    lasting = {"hostname", "distribution", "release", "architecture"}
    if then.gpus is not None and now.gpus is not None:
        lasting.add("gpus")
    yield from changed(then.model_dump(include=lasting), now.model_dump(include=lasting))
    before, after = ({"pci_cards": sorted(machine.pci_cards.values())} for machine in (then, now))
    yield from changed(before, after)


def _beyond(then: SavedHost, now: SavedHost) -> Iterator[str]:
    """Yield what would be changed now and is not of the plan."""
    planned = {_whole(change.key) for change in then.changes}
    if any(_field(key) in _OF_THE_DRIVER for key in planned):
        planned.add("gpu_driver.held")  # another driver has other packages
    for change in now.changes:
        acted_on = change.verdict in (Verdict.DRIFT, Verdict.PENDING) and change.manage is Manage.ENFORCE
        # A field stands among the changes as a whole where it was to be known later.
        if acted_on and planned.isdisjoint((_whole(change.key), _field(change.key))):
            yield _appeared(change)


def _differences_moved(then: SavedHost, now: SavedHost) -> Iterator[str]:
    before, after = ({change.key: change for change in host.changes} for host in (then, now))
    for key, change in before.items():
        if key not in after:
            yield f"{key}: was {_said(change.observed)}, is as planned now"
            continue
        for part in ("observed", "expected"):
            for line in changed({key: getattr(change, part)}, {key: getattr(after[key], part)}):
                yield line if part == "observed" else f"{line} by the plan"
    yield from (_appeared(change) for key, change in after.items() if key not in before)


def _appeared(change: Change) -> str:
    return f"{change.key}: was as planned, is {_said(_steady(change.observed))}"


def _whole(key: str) -> str:
    """Return a key without the place or the part that it is about: they are set together."""
    return re.sub(r"\.(declared|effective|enabled|active)$", "", key)


def _field(key: str) -> str:
    return ".".join(key.partition("[")[0].split(".")[:2])


def _flat(host: SavedHost) -> dict[str, Any]:
    """Return the expected state by "section.field"."""
    return {
        f"{section}.{field}": value
        for section, fields in host.expected.items()
        for field, value in (fields or {}).items()
    }


def _steady(value: Any) -> Any:
    """Return a value without the reason why it isn't known: that may be said in other words the next time."""
    if isinstance(value, Mapping):
        mark = next(iter(value)) if len(value) == 1 else ""
        if mark in ("later", "unknown") and isinstance(value[mark], str):
            return "known later" if mark == "later" else mark
        return {key: _steady(item) for key, item in value.items()}
    return [_steady(item) for item in value] if isinstance(value, list | tuple) else value


def _said(value: Any) -> str:
    match value:
        case None:
            return "absent"
        case str():
            return value or '""'
    return json.dumps(value, ensure_ascii=False)
