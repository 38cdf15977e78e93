"""The keys of daemon.json that are ours: the file is everybody's, so the receipt tells. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from glmprov.observation import Observation
from glmprov.receipt import Receipt
from glmprov.state import Dropped, Unknown

OPTIONS = "exec-opts"
CGROUP_OPTION = "native.cgroupdriver="
CGROUPFS = f"{CGROUP_OPTION}cgroupfs"


@dataclass(frozen=True)
class Key:
    """A key that we changed: what it is now, what we set it to, and what it was before us, None for absent.

    asked are the items of a list that we asked for.
    """

    now: Any
    was: Any
    before: Any
    asked: tuple[Any, ...] = ()

    @property
    def added(self) -> list[Any]:
        """The items of a list that are there because of us."""
        return [item for item in _list(self.now) if item in self.asked and item not in _list(self.before)]

    @property
    def added_since(self) -> list[Any]:
        """The items of a list that somebody else added since."""
        return [item for item in _list(self.now) if item not in (*self.asked, *_list(self.before))]

    @property
    def without_us(self) -> Any:
        """What it would be without us, None for absent. What somebody else set it to since then is theirs."""
        if not isinstance(self.now, list):
            return self.before if self.now == self.was else self.now
        before = _list(self.before)
        left = [item for item in self.now if item not in self.added]
        left += [item for item in before if item not in _list(self.was) and item not in left]
        same_items = len(left) == len(before) and all(item in before for item in left)
        return self.before if same_items else left


def ours(observation: Observation) -> Mapping[str, Key]:
    """Return the keys that we changed, by dotted path. Where the file can't be read they are as we left them."""
    return dict(_ours(observation))


def now(observation: Observation) -> Mapping[str, Any] | None:
    """Return what the file says, None if it can't be read."""
    observed = observation.state.container_engine
    said = observed.daemon if observed else None
    return None if isinstance(said, Unknown) else said or {}


def was_applied(observation: Observation) -> Mapping[str, Any]:
    """Return what the receipt says that we set, with what was to be taken away and may still be there."""
    receipt = _receipt(observation)
    applied = receipt.expected.container_engine if receipt else None
    items = applied.daemon.items() if applied and isinstance(applied.daemon, Mapping) else ()
    return {key: value.was if isinstance(value, Dropped) else value for key, value in items}


def mark(path: str) -> str:
    """Return the key of a path of daemon.json as drift/ spells it."""
    return f"container_engine.daemon[{path}]"


def _ours(observation: Observation) -> Iterator[tuple[str, Key]]:
    said, receipt = now(observation), _receipt(observation)
    if receipt is None:
        return
    for path, was in was_applied(observation).items():
        if mark(path) in receipt.before and not _unreadable(receipt.before[mark(path)]):
            asked = _asked_options(receipt) if path == OPTIONS else tuple(_list(was))
            yield path, Key(was if said is None else said.get(path), was, receipt.before[mark(path)], asked)


def _receipt(observation: Observation) -> Receipt | None:
    return observation.receipt if isinstance(observation.receipt, Receipt) else None


def _asked_options(receipt: Receipt) -> tuple[Any, ...]:
    """Return the items of exec-opts that we asked for; older receipts have them among the inventory's values."""
    applied = receipt.expected.container_engine
    if applied and applied.asked_options is not None:
        return applied.asked_options
    written = receipt.settings.get("container_engine_daemon")
    return (CGROUPFS, *_list(written.get(OPTIONS) if isinstance(written, Mapping) else None))


def _unreadable(before: Any) -> bool:
    return isinstance(before, Mapping) and set(before) == {"unknown"}


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []
