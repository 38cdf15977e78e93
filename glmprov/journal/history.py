"""The history of a host: every change so far, the newest at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glmprov import history
from glmprov.journal import HOME
from glmprov.journal.asking import ask
from glmprov.journal.lock import lock_state
from glmprov.receipt import LockState
from glmprov.remote import Channel

_NAME = history.HISTORY_PATH.rpartition("/")[2]


def append(channel: Channel, entry: history.Entry, *, home: str = HOME) -> None:
    """Put an entry at the end of the host's history, on disk. Beyond the limit the older half goes."""
    ask(channel, "append", _line(entry, home))


def begin(
    channel: Channel, entry: history.Entry, before: Mapping[str, Any], *, home: str = HOME
) -> Mapping[str, Any]:
    """Enter the beginning of a change, and keep its keys' values. Return each key's value before our first change."""
    known: Mapping[str, Any] = ask(channel, "begin", _line(entry, home) | {"before": before})["before"]
    return known


def read(channel: Channel, *, home: str = HOME) -> tuple[history.History, LockState | None]:
    """Return the host's history and its lock, which tells a change under way from one that never ended."""
    answer = ask(channel, "history", {"home": home, "name": _NAME}, become=False)
    return history.from_text(answer.get("text") or ""), lock_state(answer.get("lock"))


def _line(entry: history.Entry, home: str) -> dict[str, Any]:
    return {
        "home": home,
        "name": _NAME,
        "text": history.to_line(entry),
        "limit_bytes": history.HISTORY_LIMIT_BYTES,
    }
