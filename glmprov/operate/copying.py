"""Weights that lie on this machine, copied to a host by rsync over ssh. Verified there as after a download."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from glmprov.errors import FetchError, GlmprovError
from glmprov.inventory import Host
from glmprov.operate import weights
from glmprov.operate.asking import Fault, ask
from glmprov.operate.weights_failures import explain, refuse_if_too_small, refuse_incomplete
from glmprov.operate.weights_told import Heard, Progress, Weights
from glmprov.recipe.lock import ModelLock
from glmprov.remote import Channel, ConnectOptions, connect
from glmprov.remote.rsync import send

LEND_SECONDS = 300.0


def from_here(
    host: Host, options: ConnectOptions, model: ModelLock, source: Path, at: str, heard: Heard | None = None
) -> int:
    """Copy a model from a folder of this machine, by rsync over ssh; a second run goes on where the first stopped.

    The login writes into the folder, which is lent to it meanwhile, so that sudo with a password does too.
    Return how many files came. Raise FetchError if the source isn't the model that is locked, or the copy isn't.
    """
    refuse_other_folder(model, source)
    with connect(host, options) as channel:
        seen = weights.look(channel, host.name, model, at)
        refuse_if_too_small(seen, host.name, model)
        uid, gid = (int(channel.run(["id", flag]).stdout) for flag in ("-u", "-g"))
        _hand(channel, host.name, model, "lend", {"folder": at, "uid": uid, "gid": gid})
    done = False
    try:
        todo = (*seen.missing, *seen.wrong)
        left_bytes = sum(file.size_bytes for file in model.files if file.path in todo)

        def progress(so_far: int, files: int) -> None:
            if heard is not None:
                heard(Progress("copying", len(todo), files, so_far, left_bytes))

        if todo:
            send(host, options, source, todo, at, progress)
        done = True
    finally:
        # A host that was lost stays so; the next run takes the folder back.
        with connect(host, options) as channel:
            take_back(channel, host.name, model, at, done=done)
    with connect(host, options) as channel:
        _verify_new(channel, host.name, model, source, at, heard)
    return len(todo)


def take_back(channel: Channel, host: str, model: ModelLock, at: str, *, done: bool) -> None:
    """Make a folder that was lent root's again; done: all is there, so what was left half done goes."""
    _hand(channel, host, model, "take_back", {"folder": at, "done": done})


def refuse_other_folder(model: ModelLock, source: Path) -> None:
    """Raise FetchError naming every file of a folder here that is missing, or has another size than the lock says."""
    sizes = {file.path: _size_of(source / file.path) for file in model.files}
    missing = tuple(path for path, size in sizes.items() if size is None)
    wrong = {
        file.path: size
        for file in model.files
        if (size := sizes[file.path]) is not None and size != file.size_bytes
    }
    seen = Weights(str(source), missing, wrong)
    next_step = "name the folder that holds the locked revision, or lock the recipe anew: glmprov recipe lock"
    refuse_incomplete(seen, "this machine", model, next_step)


def refuse_without_rsync(channel: Channel, host: str) -> None:
    """Raise FetchError if there is no rsync here, or none on the host."""
    there = channel.run(["sh", "-c", "command -v rsync"]).returncode == 0
    if not there or not shutil.which("rsync"):
        raise FetchError(
            f"there is no rsync on {'this machine' if there else 'the host'}",
            host=host,
            next_step="apt-get install rsync there; or let the host fetch from a hub, or from another host",
        )


def _size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None


def _verify_new(
    channel: Channel, host: str, model: ModelLock, source: Path, at: str, heard: Heard | None
) -> None:
    seen = weights.look(channel, host, model, at)
    if not seen.complete:
        raise FetchError(
            "rsync ended well, and these files aren't there: " + ", ".join((*seen.missing, *seen.wrong)),
            host=host,
            place=at,
        )
    where = f"{source} on this machine"
    weights.verify(channel, host, model, at, heard, only=seen.unverified, copied_from=where)


def _hand(channel: Channel, host: str, model: ModelLock, act: str, orders: dict[str, Any]) -> None:
    def explained(fault: Fault, host: str) -> GlmprovError:
        return explain(fault, host, model, orders["folder"])

    ask(
        channel, host, (*weights.WEIGHTS, "handing"), act, orders,
        deadline_seconds=LEND_SECONDS, explain=explained,
    )  # fmt: skip
