"""ansible-runner's events, understood. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import yaml

from glmprov.apply.messages import failure_message
from glmprov.secret import Secret, redact


class Status(StrEnum):
    """A task started, or how it ended, on a host."""

    STARTED = "started"
    OK = "ok"
    CHANGED = "changed"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class Event:
    """A task started or ended on a host. section is the role's name; diff is text, one block a thing that differed."""

    host: str
    task: str
    section: str
    status: Status
    message: str = ""
    diff: str = ""
    seconds: float = 0.0


STATUSES = {
    "runner_on_start": Status.STARTED,
    "runner_on_ok": Status.OK,
    "runner_on_failed": Status.FAILED,
    "runner_on_skipped": Status.SKIPPED,
    "runner_on_unreachable": Status.UNREACHABLE,
}


def understand(raw: Mapping[str, Any], secrets: Sequence[Secret] = ()) -> Event | None:
    """Given an event of ansible-runner, return it as ours, None if it isn't about a task on a host."""
    status = STATUSES.get(str(raw.get("event")))
    data = raw.get("event_data") or {}
    if status is None or (status is Status.FAILED and data.get("ignore_errors")):
        return None
    outcome = data.get("res") or {}
    if status is Status.OK and outcome.get("changed"):
        status = Status.CHANGED
    failed = status in (Status.FAILED, Status.UNREACHABLE)
    return Event(
        host=str(data.get("host") or ""),
        task=str(data.get("task") or ""),
        section=str(data.get("role") or ""),
        status=status,
        message=redact(failure_message(outcome), secrets) if failed else "",
        diff=redact(diff_text(outcome.get("diff")), secrets),
        seconds=float(data.get("duration") or 0.0),
    )


def diff_text(diff: Any) -> str:
    """Return a module's diff (a dict or a list of them) as a unified diff."""
    import difflib

    blocks = []
    for part in diff if isinstance(diff, list) else [diff] if diff else []:
        if "prepared" in part:
            blocks.append(str(part["prepared"]))
            continue
        before, after = (_lines(part.get(side, "")) for side in ("before", "after"))
        header = str(part.get("before_header") or "")
        lines = difflib.unified_diff(
            before, after, header, str(part.get("after_header") or header), lineterm=""
        )
        blocks.append("\n".join(lines))
    return "\n".join(block for block in blocks if block)


def _lines(text: Any) -> list[str]:
    return (text if isinstance(text, str) else yaml.safe_dump(text)).splitlines()
