"""What is asked for otherwise than it was deployed, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from glmprov.deployed import InstanceReceipt
from glmprov.instance import Instance, texts_of
from glmprov.state import InstanceState
from glmprov.state.data import data


def changed(before: InstanceReceipt, instance: Instance, expected: InstanceState) -> Iterator[str]:
    """Yield in words what is asked for otherwise than it was deployed."""
    now = data(instance)
    told = ("notes",)
    for name, value in now.items():
        old = before.instance.get(name)
        if name not in told and value != old:
            yield from _told(name, old, value)
    if before.texts != texts_of(instance) and before.instance == now:
        yield "its files are written otherwise by this release of glmprov"
    old_shards = before.expected.model_store.shards if before.expected.model_store else None
    new_shards = expected.model_store.shards if expected.model_store else None
    if old_shards != new_shards:
        yield "model: other files"


def _told(name: str, old: object, new: object) -> Iterator[str]:
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        yield f"{name}: {_short(old)} → {_short(new)}"
        return
    for key in dict.fromkeys((*old, *new)):
        if key != "origins" and old.get(key) != new.get(key):
            yield from _told(f"{name}.{key}" if key else name, old.get(key), new.get(key))


def _short(value: object) -> str:
    text = "nothing" if value in (None, "", [], {}) else " ".join(str(value).split())
    return text if len(text) <= 60 else f"{text[:57]}…"
