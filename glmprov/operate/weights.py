"""A model's weights on a host: looked at, fetched, verified, removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any

from glmprov.errors import FetchError, GlmprovError
from glmprov.operate import hub
from glmprov.operate.asking import Fault, ask
from glmprov.recipe.lock import ModelLock
from glmprov.remote import Channel
from glmprov.secret import Secret
from glmprov.sizes import in_words

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

FAULTS = {
    **hub.FAULTS,
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
"""What goes wrong, by the payload's word for it: message, next step."""


@dataclass(frozen=True)
class Weights:
    """What a host has of a model. Paths are relative to folder.

    wrong are files of another size, with that size; unverified those of the right size whose sum nobody has taken
    since they were last changed; needed_bytes is what a fetch would add to the disk.
    """

    folder: str
    missing: tuple[str, ...] = ()
    wrong: Mapping[str, int] = field(default_factory=dict)
    unverified: tuple[str, ...] = ()
    needed_bytes: int = 0
    free_bytes: int = 0

    @property
    def complete(self) -> bool:
        """Whether every file is there with the right size."""
        return not self.missing and not self.wrong

    @property
    def verified(self) -> bool:
        """Whether every file is there with the right sum."""
        return self.complete and not self.unverified


@dataclass(frozen=True)
class Progress:
    """How far a download, a copy or a verification is."""

    doing: str
    files: int
    files_done: int
    bytes_done: int
    bytes_total: int

    def __str__(self) -> str:
        sizes = f"{in_words(self.bytes_done)} of {in_words(self.bytes_total)}"
        return f"{self.doing} weights: {sizes}, {self.files_done} of {self.files} files"


@dataclass(frozen=True)
class Stored:
    """A revision that lies in a host's model store. partly: some of it is still under way, or was given up."""

    model: str
    revision: str
    size_bytes: int
    partly: bool


Heard = Callable[[Progress], object]


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
    )


def download(
    channel: Channel,
    host: str,
    model: ModelLock,
    at: str,
    endpoint: str,
    key: Secret | None = None,
    heard: Heard | None = None,
) -> int:
    """Fetch what is missing from a hub, straight to the host, verified on the way. Return how many files came.

    A second run goes on where the first one stopped. Raise FetchError as the faults above say.
    """
    more = {
        "endpoint": endpoint, "token": key.reveal() if key else "",
        "parallel": FILES_AT_ONCE, "retry_seconds": RETRY_SECONDS,
    }  # fmt: skip
    parts = ("fetching", "hub", *WEIGHTS, "downloading")
    said = _ask(
        channel, host, parts, "download", model, at, more, heard=heard, deadline_seconds=DOWNLOAD_SECONDS
    )
    return int(said)


def verify(
    channel: Channel,
    host: str,
    model: ModelLock,
    at: str,
    heard: Heard | None = None,
    *,
    only: tuple[str, ...] | None = None,
) -> None:
    """Take every file's sum, or only some files', and remember it. Raise FetchError naming all that are wrong."""
    wrong = _ask(
        channel, host, WEIGHTS, "verify", model, at,
        {"parallel": FILES_AT_ONCE}, only=only, heard=heard, deadline_seconds=VERIFY_SECONDS,
    )  # fmt: skip
    if wrong:
        raise FetchError(
            "the sums of these files are wrong: " + ", ".join(wrong),
            host=host,
            place=at,
            next_step=f"remove them ({at}/…) and deploy again: what is missing is fetched anew",
        )


def refuse_incomplete(seen: Weights, host: str, model: ModelLock) -> None:
    """Raise FetchError naming what a folder that isn't ours to fill lacks."""
    faults = [f"{path} is missing" for path in seen.missing]
    faults += [f"{path} has {size} bytes, the lock says otherwise" for path, size in seen.wrong.items()]
    if faults:
        raise FetchError(
            f"isn't {model.id} at {model.revision[:12]}:\n" + "\n".join(faults),
            host=host,
            place=seen.folder,
            next_step="complete the folder, or leave it out: then the weights are fetched",
        )


def refuse_if_absent(seen: Weights, host: str, model: ModelLock) -> None:
    """Raise FetchError if a folder that was named holds nothing of the model: a misspelt one would be filled."""
    if len(seen.missing) == len(model.files):
        raise FetchError(
            f"nothing of {model.id} is in it",
            host=host,
            place=seen.folder,
            next_step="name the folder that holds it; or leave --weights out, and it is fetched "
            "(glmprov_model_root says where to)",
        )


def refuse_if_too_small(seen: Weights, host: str, model: ModelLock) -> None:
    """Raise FetchError if what is missing won't fit."""
    if seen.needed_bytes > seen.free_bytes:
        raise _no_room(
            f"{in_words(seen.needed_bytes)} are missing, {in_words(seen.free_bytes)} are free",
            host, model, seen.folder,
        )  # fmt: skip


def remove(channel: Channel, host: str, at: str) -> int:
    """Remove a revision's folder; return the bytes that it freed."""
    said = ask(
        channel,
        host,
        WEIGHTS,
        "remove",
        {"folder": at, "records": RECORDS},
        deadline_seconds=LOOK_SECONDS,
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
) -> Any:
    files = [asdict(file) for file in model.files if only is None or file.path in only]
    orders = {"model": model.id, "revision": model.revision, "folder": at, "files": files, "records": RECORDS}

    orders |= more or {}

    def progress(said: Mapping[str, Any]) -> None:
        if heard is not None:
            heard(Progress(**said))

    try:
        return ask(channel, host, parts, act, orders, deadline_seconds=deadline_seconds, heard=progress)
    except Fault as fault:
        raise explain(fault, host, model, at) from fault


def explain(fault: Fault, host: str, model: ModelLock, at: str) -> GlmprovError:
    """Return what a fault of a fetch means."""
    if fault.kind == "no-space":
        sizes = {name: in_words(size) for name, size in fault.more.items()}
        room = fault.text
        if sizes:
            room = "{needed_bytes} are missing, {free_bytes} are free".format(**sizes)
        return _no_room(room, host, model, at)
    message, next_step = FAULTS.get(fault.kind, ("{said}", None))
    return FetchError(
        message.format(said=fault.text, model=model.id, **fault.more),
        host=host,
        place=at,
        next_step=next_step,
    )


def _no_room(room: str, host: str, model: ModelLock, at: str) -> FetchError:
    return FetchError(
        f"no room for {model.id}: {room}", host=host, place=at,
        next_step="make room (`glmprov prune`), or set another glmprov_model_root in the inventory",
    )  # fmt: skip
