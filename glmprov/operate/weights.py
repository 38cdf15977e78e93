"""A model's weights on a host: looked at, fetched, verified, removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

from glmprov.errors import FetchError, GlmprovError
from glmprov.operate.asking import Fault, ask
from glmprov.operate.weights_failures import FAULTS, Faults, explain, explain_removal
from glmprov.operate.weights_told import Heard, Progress, Stored, Weights
from glmprov.recipe.lock import ModelLock
from glmprov.remote import Channel
from glmprov.secret import Secret

ROOT = "/var/lib/glmprov/models"
RECORDS = "/var/lib/glmprov/verified"
"""On the host: which files of which folder had the right sum, and when each was last changed."""
WEIGHTS = ("several", "weights")
"""Parts of payload/."""
LOOK_SECONDS = 120.0
DOWNLOAD_SECONDS = 48 * 3600.0
"""361 GB over 20 Mbit/s take 40 hours. A hub or a host that is silent is noticed within minutes."""
VERIFY_SECONDS = 4 * 3600.0
FILES_AT_ONCE = 4
RETRY_SECONDS = 0.5
"""The first wait before a file is asked for again; each further one is twice as long."""


def folder(model: ModelLock, root: str = ROOT) -> str:
    """Return where a host keeps a model's revision: ROOT/ORG--NAME/REVISION."""
    return str(PurePosixPath(root) / model.id.replace("/", "--") / model.revision)


def look(channel: Channel, host: str, model: ModelLock, at: str) -> Weights:
    """Return what is in a folder of a model, by size and by what was verified before. Reads no file's content."""
    said = _ask(channel, host, WEIGHTS, "look", model, at, deadline_seconds=LOOK_SECONDS)
    return Weights(
        at,
        tuple(said["missing"]),
        said["wrong"],
        tuple(said["unverified"]),
        said["needed_bytes"],
        said["free_bytes"],
        said["lent"],
    )


def download(
    channel: Channel,
    host: str,
    model: ModelLock,
    at: str,
    endpoint: str,
    key: Secret | None = None,
    heard: Heard | None = None,
    *,
    direct: bool = False,
    faults: Faults = FAULTS,
) -> int:
    """Fetch what is missing from a hub, straight to the host, verified on the way. Return how many files came.

    A second run goes on where the first one stopped. direct: past the host's proxies. Raise FetchError as faults say.
    """
    more = {
        "endpoint": endpoint, "token": key.reveal() if key else "",
        "parallel": FILES_AT_ONCE, "retry_seconds": RETRY_SECONDS, "direct": direct,
    }  # fmt: skip
    parts = ("fetching", "hub", *WEIGHTS, "downloading")
    said = _ask(
        channel, host, parts, "download", model, at, more,
        heard=heard, deadline_seconds=DOWNLOAD_SECONDS, faults=faults,
    )  # fmt: skip
    return int(said)


def verify(
    channel: Channel,
    host: str,
    model: ModelLock,
    at: str,
    heard: Heard | None = None,
    *,
    only: tuple[str, ...] | None = None,
    copied_from: str = "",
) -> None:
    """Take every file's sum, or only some files', and remember it. Raise FetchError naming all that are wrong.

    copied_from: the folder is ours, and filled from there; what is wrong is taken away again.
    """
    more = {"parallel": FILES_AT_ONCE, "drop": bool(copied_from)}
    wrong = _ask(
        channel, host, WEIGHTS, "verify", model, at, more,
        only=only, heard=heard, deadline_seconds=VERIFY_SECONDS,
    )  # fmt: skip
    if wrong and copied_from:
        raise FetchError(
            f"copied from {copied_from}, and not what the lock says by their sums: {', '.join(wrong)}",
            host=host,
            place=at,
            next_step="these files were taken away again: mend them there, or copy from elsewhere",
        )
    if wrong:
        raise FetchError(
            "the sums of these files are wrong: " + ", ".join(wrong),
            host=host,
            place=at,
            next_step=f"remove them ({at}/…) and deploy again: what is missing is fetched anew",
        )


def remove(channel: Channel, host: str, at: str) -> int:
    """Remove a revision's folder; return the bytes that it freed. Raise FetchError if somebody fetches into it."""
    said = ask(
        channel,
        host,
        WEIGHTS,
        "remove",
        {"folder": at, "records": RECORDS},
        deadline_seconds=LOOK_SECONDS,
        explain=lambda fault, host: explain_removal(fault, host, at),
    )
    return int(said)


def stored(channel: Channel, host: str, root: str = ROOT) -> tuple[Stored, ...]:
    """Return what lies in a host's model store."""
    found = ask(channel, host, WEIGHTS, "stored", {"root": root}, deadline_seconds=LOOK_SECONDS)
    return tuple(
        Stored(each["model"].replace("--", "/", 1), each["revision"], each["bytes"], each["partly"])
        for each in found
    )


def _ask(
    channel: Channel,
    host: str,
    parts: tuple[str, ...],
    act: str,
    model: ModelLock,
    at: str,
    more: Mapping[str, Any] | None = None,
    *,
    only: tuple[str, ...] | None = None,
    heard: Heard | None = None,
    deadline_seconds: float,
    faults: Faults = FAULTS,
) -> Any:
    files = [asdict(file) for file in model.files if only is None or file.path in only]
    orders = {"model": model.id, "revision": model.revision, "folder": at, "files": files, "records": RECORDS}
    orders |= more or {}

    def progress(said: Mapping[str, Any]) -> None:
        if heard is not None:
            heard(Progress(**said))

    def explained(fault: Fault, host: str) -> GlmprovError:
        return explain(fault, host, model, at, faults)

    return ask(
        channel, host, parts, act, orders,
        deadline_seconds=deadline_seconds, heard=progress, explain=explained,
    )  # fmt: skip
