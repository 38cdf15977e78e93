"""Weights that lie on this machine or on another host, copied to a host. Verified there as after a download."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from glmprov.errors import FetchError, GlmprovError
from glmprov.inventory import Host
from glmprov.operate import weights
from glmprov.operate.asking import Fault, ask
from glmprov.operate.weights import Heard, Progress
from glmprov.recipe.lock import ModelLock
from glmprov.remote import Channel, ConnectOptions, connect
from glmprov.remote.rsync import send
from glmprov.secret import Secret

LEND_SECONDS = 300.0
PORT_SECONDS = 60.0


def from_here(
    host: Host, options: ConnectOptions, model: ModelLock, source: Path, at: str, heard: Heard | None = None
) -> None:
    """Copy a model from a folder of this machine, by rsync over ssh; a second run goes on where the first stopped.

    The login writes into the folder, which is lent to it meanwhile, so that sudo with a password does too.
    Raise FetchError if the source isn't the model that is locked, or the copy isn't.
    """
    _refuse_another(model, source)
    with connect(host, options) as channel:
        seen = weights.look(channel, host.name, model, at)
        weights.refuse_if_too_small(seen, host.name, model)
        uid, gid = (int(channel.run(["id", flag]).stdout) for flag in ("-u", "-g"))
        orders = {"folder": at, "uid": uid, "gid": gid}
        _hand(channel, host.name, "lend", orders)
    done = False
    try:
        todo = (*seen.missing, *seen.wrong)
        left_bytes = sum(file.size_bytes for file in model.files if file.path in todo)

        def progress(so_far: int) -> None:
            if heard is not None:
                heard(Progress("copying", len(todo), 0, so_far, left_bytes))

        if todo:
            send(host, options, source, todo, at, progress)
        done = True
    finally:
        # A host that was lost stays so; the next run takes the folder back.
        with connect(host, options) as channel:
            _hand(channel, host.name, "take_back", {"folder": at, "done": done})
    with connect(host, options) as channel:
        _verify_new(channel, host.name, model, at, heard)


def from_host(
    channel: Channel,
    host: str,
    giver: Channel,
    giver_name: str,
    giver_address: str,
    model: ModelLock,
    source: str,
    at: str,
    heard: Heard | None = None,
) -> int:
    """Copy a model from a folder of another host, straight from host to host. Return how many files came.

    The other host serves these files at a port of its own for as long as it takes, to whoever has the token that only
    the two are told. It goes over plain HTTP: weights are no secret, and every sum is checked.
    giver_address is how this host reaches the other one.
    """
    missing = weights.look(giver, giver_name, model, source)
    if not missing.complete:
        raise FetchError(
            f"{giver_name} hasn't all of {model.id}: " + ", ".join((*missing.missing, *missing.wrong)),
            host=giver_name,
            place=source,
        )
    token = Secret(secrets.token_urlsafe(32))
    with _serving(giver, giver_name, model, source, token) as port:
        where = f"[{giver_address}]" if ":" in giver_address else giver_address
        return weights.download(channel, host, model, at, f"http://{where}:{port}", token, heard)


class _Enough(Exception):  # noqa: N818  (no error: what was served is there)
    """Nobody needs the server any more."""


@contextmanager
def _serving(giver: Channel, giver_name: str, model: ModelLock, source: str, token: Secret) -> Iterator[int]:
    """Let a host serve a model's files; yield the port. The channel is taken as long as it serves."""
    files = [asdict(file) for file in model.files]
    orders = {
        "folder": source, "model": model.id, "revision": model.revision, "files": files, "token": token.reveal(),
    }  # fmt: skip
    done, ready = threading.Event(), threading.Event()
    told: dict[str, Any] = {}

    def heard(said: Any) -> None:
        told.update(said)
        ready.set()
        if done.is_set():
            raise _Enough

    def serve() -> None:
        try:
            ask(
                giver, giver_name, ("serving",), "serve", orders,
                deadline_seconds=weights.DOWNLOAD_SECONDS, heard=heard,
            )  # fmt: skip
        except _Enough:
            pass
        except (GlmprovError, Fault) as error:
            told["error"] = error
        finally:
            ready.set()

    serving = threading.Thread(target=serve, name=f"serving {giver_name}")
    serving.start()
    try:
        ready.wait(PORT_SECONDS)
        if "port" not in told:
            raise told.get("error") or FetchError("it serves no files", host=giver_name, place=source)
        yield told["port"]
    finally:
        done.set()
        serving.join()


def _refuse_another(model: ModelLock, source: Path) -> None:
    """Raise FetchError naming every file of a folder here that isn't as the lock says, by its size."""
    faults = []
    for file in model.files:
        path = source / file.path
        if not path.is_file():
            faults.append(f"{file.path} is missing")
        elif path.stat().st_size != file.size_bytes:
            faults.append(f"{file.path} has {path.stat().st_size} bytes, {file.size_bytes} are locked")
    if faults:
        raise FetchError(
            f"isn't {model.id} as it is locked:\n" + "\n".join(faults),
            place=str(source),
            next_step="fetch the revision that is locked, or lock the recipe anew",
        )


def _verify_new(channel: Channel, host: str, model: ModelLock, at: str, heard: Heard | None) -> None:
    seen = weights.look(channel, host, model, at)
    if not seen.complete:
        raise FetchError(
            "rsync ended well, and these files aren't there: " + ", ".join((*seen.missing, *seen.wrong)),
            host=host,
            place=at,
        )
    weights.verify(channel, host, model, at, heard, only=seen.unverified)


def _hand(channel: Channel, host: str, act: str, orders: dict[str, Any]) -> None:
    try:
        ask(channel, host, (*weights.WEIGHTS, "handing"), act, orders, deadline_seconds=LEND_SECONDS)
    except Fault as fault:
        message, next_step = weights.FAULTS.get(fault.kind, ("{said}", None))
        raise FetchError(
            message.format(said=fault.text, **fault.more),
            host=host,
            place=orders["folder"],
            next_step=next_step,
        ) from fault
