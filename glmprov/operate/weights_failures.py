"""What goes wrong with a model's weights, as errors that a person can act on."""

from __future__ import annotations

from collections.abc import Mapping

from glmprov.errors import FetchError, GlmprovError
from glmprov.operate import hub
from glmprov.operate.asking import Fault
from glmprov.operate.weights_told import Weights
from glmprov.recipe.lock import ModelLock
from glmprov.sizes import in_words

Faults = Mapping[str, tuple[str, str]]
"""What goes wrong, by the payload's word for it: message, next step."""

_HUB_DOWN, _ELSEWHERE = hub.FAULTS["hub-down"]
FAULTS: Faults = {
    "hub-down": (_HUB_DOWN, f"{_ELSEWHERE}; or copy the weights: --weights-from FOLDER or HOST"),
    "busy": (
        "somebody else fetches into {said} (pid {pid} on the host)",
        "wait for it, or end it there; then run the same command again",
    ),
    "truncated": (
        "the hub sends less than it says: {said}",
        "run the same command again: it goes on where it stopped; a proxy in between may cut large files",
    ),
    "wrong-sum": (
        "has another sum than the lock says: {said}",
        "fetched twice; a proxy or a mirror changes it, or the lock is wrong: glmprov recipe lock",
    ),
    "system": ("{said}", "mend it; then run the same command again: it goes on where it stopped"),
}


def explain(fault: Fault, host: str, model: ModelLock, at: str, faults: Faults = FAULTS) -> GlmprovError:
    """Return what a fault of a fetch means. What isn't in faults is the hub's to explain."""
    if fault.kind == "no-space":
        sizes = {name: in_words(size) for name, size in fault.more.items()}
        room = fault.text
        if sizes:
            room = "{needed_bytes} are missing, {free_bytes} are free".format(**sizes)
        return no_room(room, host, model, at)
    message, next_step = {**hub.FAULTS, **FAULTS, **faults}.get(fault.kind, ("{said}", None))
    return FetchError(
        message.format(said=fault.text, model=model.id, **fault.more),
        host=host,
        place=at,
        next_step=next_step,
    )


def explain_removal(fault: Fault, host: str, at: str) -> GlmprovError:
    """Return why a folder isn't removed."""
    message, next_step = FAULTS.get(fault.kind, ("{said}", None))
    return FetchError(message.format(said=fault.text, **fault.more), host=host, place=at, next_step=next_step)


def no_room(room: str, host: str, model: ModelLock, at: str) -> FetchError:
    """Return the error of a disk on which a model doesn't fit."""
    return FetchError(
        f"no room for {model.id}: {room}", host=host, place=at,
        next_step="make room (`glmprov prune`), or set another glmprov_model_root in the inventory",
    )  # fmt: skip


def refuse_if_too_small(seen: Weights, host: str, model: ModelLock) -> None:
    """Raise FetchError if what is missing won't fit."""
    if seen.needed_bytes > seen.free_bytes:
        raise no_room(
            f"{in_words(seen.needed_bytes)} are missing, {in_words(seen.free_bytes)} are free",
            host, model, seen.folder,
        )  # fmt: skip


def refuse_incomplete(seen: Weights, host: str, model: ModelLock, next_step: str) -> None:
    """Raise FetchError naming what a folder that isn't ours to fill lacks."""
    faults = [f"{path} is missing" for path in seen.missing]
    faults += [f"{path} has {size} bytes, the lock says otherwise" for path, size in seen.wrong.items()]
    if faults:
        raise FetchError(
            f"isn't {model.id} at {model.revision[:12]}:\n" + "\n".join(faults),
            host=host,
            place=seen.folder,
            next_step=next_step,
        )
