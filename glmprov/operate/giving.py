"""Weights that lie on another host, copied straight from host to host. Verified on the way as in a download."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from glmprov.errors import FetchError, GlmprovError, UnreachableError
from glmprov.operate import weights
from glmprov.operate.asking import Fault, ask
from glmprov.operate.weights_failures import Faults, explain, refuse_incomplete
from glmprov.operate.weights_told import Heard
from glmprov.recipe.lock import ModelLock
from glmprov.remote import Channel
from glmprov.secret import Secret

PORT_SECONDS = 60.0
REACH_SECONDS = 60.0


def from_host(
    channel: Channel,
    host: str,
    giver: Channel,
    giver_name: str,
    addresses: Sequence[str],
    model: ModelLock,
    source: str,
    at: str,
    heard: Heard | None = None,
) -> int:
    """Copy a model from a folder of another host, straight from host to host. Return how many files came.

    The other host serves these files at a port of its own for as long as it takes, to whoever has the token that only
    the two are told. It goes over plain HTTP: weights are no secret, and every sum is checked.
    addresses are what this host may reach the other one by; the other one's own are tried after them.
    """
    refuse_other_weights(giver, giver_name, model, source)
    own = giver.run(["hostname", "-I"]).stdout.decode(errors="replace").split()
    token = Secret(secrets.token_urlsafe(32))
    with _serving(giver, giver_name, model, source, token) as port:
        servers = [_url(address, port) for address in dict.fromkeys((*addresses, *own))]
        server = _reached(channel, host, giver_name, servers, model, token)
        return weights.download(
            channel, host, model, at, server, token, heard, direct=True, faults=_faults(giver_name)
        )


def refuse_other_weights(giver: Channel, giver_name: str, model: ModelLock, source: str) -> None:
    """Raise FetchError if a host's folder lacks files of the model that is locked, or has them in other sizes."""
    seen = weights.look(giver, giver_name, model, source)
    next_step = f"name the folder there ({giver_name}:/…), deploy there first, or copy from elsewhere"
    refuse_incomplete(seen, giver_name, model, next_step)


def _faults(giver_name: str) -> Faults:
    again = "run the same command again: it goes on where it stopped"
    return {
        "hub-down": (f"{giver_name} gives no more: {{said}}", f"see whether {giver_name} is well; {again}"),
        "denied": (f"{giver_name} refuses: {{said}}", again),
        "not-there": (f"{giver_name} has lost a file of {{model}}: {{said}}", "look after the folder there"),
        "truncated": (f"{giver_name} sends less than it says: {{said}}", again),
        "wrong-sum": (
            f"{giver_name} gives a file with another sum than the lock says: {{said}}",
            "mend it there, or copy from elsewhere",
        ),
    }


def _url(address: str, port: int) -> str:
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def _reached(
    channel: Channel, host: str, giver_name: str, servers: Sequence[str], model: ModelLock, token: Secret
) -> str:
    """Return the first server that the host reaches. Raise FetchError if it reaches none."""
    orders = {
        "servers": servers, "model": model.id, "revision": model.revision, "file": asdict(model.files[0]),
        "token": token.reveal(),
    }  # fmt: skip

    def unreached(fault: Fault, host: str) -> GlmprovError:
        return FetchError(
            f"it doesn't reach {giver_name}: {fault.text}",
            host=host,
            next_step=f"open the way from {host} to {giver_name}, or copy from this machine: --weights-from FOLDER",
        )

    found: str = ask(
        channel, host, ("fetching", "reaching"), "reach", orders,
        deadline_seconds=REACH_SECONDS, become=False, explain=unreached,
    )  # fmt: skip
    return found


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

    def explained(fault: Fault, host: str) -> GlmprovError:
        return explain(fault, host, model, source)

    def serve() -> None:
        try:
            ask(
                giver, giver_name, ("serving",), "serve", orders,
                deadline_seconds=weights.DOWNLOAD_SECONDS, heard=heard, explain=explained,
            )  # fmt: skip
        except _Enough:
            pass
        except GlmprovError as error:
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
    except FetchError:
        lost = told.get("error")
        if isinstance(lost, UnreachableError):  # which says more than that nothing comes any more
            raise lost from None
        raise
    finally:
        done.set()
        serving.join()
