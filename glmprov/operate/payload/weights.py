"""A model's files on the host: what is there, what is missing, and what has been verified.

A file that is under way is called FILE.part; it gets its name when all of it is there and its sum is right. What has
been verified is written down apart, since the folder may be somebody else's, with the time of each file's last change.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from typing import Any, TextIO

from glmprov.operate.payload.several import Tally, each_of
from glmprov.operate.payload.telling import Fault

LOCK = ".glmprov-fetching"
LENT = ".glmprov-lent"
"""Marks a folder that a login may write into meanwhile."""
PARTIAL = ".glmprov-partial"
"""Where rsync keeps what is under way; a download keeps it in FILE.part."""
BUSY_SECONDS = 10.0
"""How long to wait for another fetcher to end: one that lost its listener needs a breath."""
PIECE_BYTES = 1 << 20


class Sum:
    """The sum by which a file is known: sha256, or Git's."""

    def __init__(self, file: dict[str, Any]) -> None:
        self.wanted = file.get("sha256") or file.get("git_sha1") or ""
        self.known = bool(self.wanted)
        is_git = self.known and not file.get("sha256")
        self.state = hashlib.sha1() if is_git else hashlib.sha256()
        if is_git:
            self.state.update(b"blob %d\0" % file["size_bytes"])

    def update(self, data: bytes) -> None:
        self.state.update(data)

    @property
    def right(self) -> bool:
        return not self.known or self.state.hexdigest() == self.wanted


def look(orders: dict[str, Any]) -> Any:
    """Return what of the files is there with the right size, which of it is verified, and the room on the disk."""
    folder = orders["folder"]
    missing, wrong, unverified = [], {}, []
    known = verified_before(orders)
    needed_bytes = 0
    for file in orders["files"]:
        path = os.path.join(folder, file["path"])
        size = size_of(path)
        if size == file["size_bytes"]:
            if not verified(known, file, path):
                unverified.append(file["path"])
            continue
        needed_bytes += file["size_bytes"] - min(size_of(path + ".part") or 0, file["size_bytes"])
        if size is None:
            missing.append(file["path"])
        else:
            wrong[file["path"]] = size
    return {
        "missing": missing, "wrong": wrong, "unverified": unverified,
        "lent": os.path.exists(os.path.join(folder, LENT)),
        "needed_bytes": needed_bytes, "free_bytes": free_bytes(folder),
    }  # fmt: skip


def size_of(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except (FileNotFoundError, NotADirectoryError):
        return None


def free_bytes(folder: str) -> int:
    """Return the room where a folder is, or would be."""
    while not os.path.isdir(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    room = os.statvfs(folder)
    return room.f_bavail * room.f_frsize


def record(orders: dict[str, Any]) -> str:
    """Return where it is written down what has been verified in a folder."""
    name = hashlib.sha256(os.path.realpath(orders["folder"]).encode()).hexdigest()[:24]
    return os.path.join(orders["records"], name + ".json")


def verified_before(orders: dict[str, Any]) -> dict[str, Any]:
    try:
        with open(record(orders), encoding="utf-8") as file:
            known = json.load(file)
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def verified(known: dict[str, Any], file: dict[str, Any], path: str) -> bool:
    """Say whether a file had this sum when it was last changed."""
    entry = known.get("files", {}).get(file["path"], {})
    wanted = file.get("sha256") or file.get("git_sha1")
    return bool(entry.get("sum") == wanted and entry.get("changed_ns") == os.stat(path).st_mtime_ns)


def remember(orders: dict[str, Any], files: list[dict[str, Any]]) -> None:
    """Write down that these files have been verified."""
    folder = orders["folder"]
    entries = verified_before(orders).get("files", {})
    for file in files:
        changed_ns = os.stat(os.path.join(folder, file["path"])).st_mtime_ns
        wanted = file.get("sha256") or file.get("git_sha1")
        entries[file["path"]] = {"size_bytes": file["size_bytes"], "sum": wanted, "changed_ns": changed_ns}
    about = {"folder": folder, "model": orders["model"], "revision": orders["revision"]}
    about["files"] = dict(sorted(entries.items()))
    os.makedirs(orders["records"], exist_ok=True)
    fresh = record(orders) + ".new"
    with open(fresh, "w", encoding="utf-8") as out:
        json.dump(about, out, indent=1)
        out.flush()
        os.fsync(out.fileno())
    os.replace(fresh, record(orders))


@contextlib.contextmanager
def alone(folder: str) -> Iterator[None]:
    """Hold the folder: two that fetch into it at once would spoil each other's files."""
    os.umask(0o022)  # a hardened host's own would hide the files from the engine's user
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, LOCK), "a+", encoding="utf-8") as lock:
        hold(lock, folder)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def hold(lock: TextIO, folder: str) -> None:
    give_up_at = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > give_up_at:
                lock.seek(0)
                raise Fault("busy", folder, pid=lock.read()) from None
        time.sleep(0.2)


def summed(out: Any, total: Sum, tally: Tally) -> None:
    """Take the sum of what is there already."""
    out.seek(0)
    for data in iter(lambda: out.read(PIECE_BYTES), b""):
        total.update(data)
        tally.add(len(data))


def verify(orders: dict[str, Any]) -> Any:
    """Take every file's sum; return the files whose sum is wrong, dropped if so ordered. Remember the others."""
    folder, files = orders["folder"], orders["files"]
    tally = Tally("verifying", files, 0)
    right: list[dict[str, Any]] = []
    wrong: list[str] = []

    def one(file: dict[str, Any], stop: threading.Event) -> None:
        total = Sum(file)
        with open(os.path.join(folder, file["path"]), "rb") as content:
            summed(content, total, tally)
        (right if total.right else wrong).append(file if total.right else file["path"])  # type: ignore[arg-type]
        tally.add(files=1)

    each_of(files, one, orders.get("parallel", 4))
    remember(orders, right)
    for path in wrong if orders.get("drop") else ():
        os.unlink(os.path.join(folder, path))
    return sorted(wrong)


def remove(orders: dict[str, Any]) -> Any:
    """Remove a revision's folder. Return the bytes that were in it."""
    folder = orders["folder"]
    if not os.path.isdir(folder):
        return 0
    with alone(folder):
        freed = sum(entry.stat(follow_symlinks=False).st_size for entry in tree(folder))
        shutil.rmtree(folder)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(record(orders))
    with contextlib.suppress(OSError):  # the model's own folder, if this was its last revision
        os.rmdir(os.path.dirname(folder))
    return freed


def tidy(folder: str) -> None:
    """Remove what was left half done, once all is there."""
    for parent, folders, files in os.walk(folder):
        if PARTIAL in folders:
            shutil.rmtree(os.path.join(parent, PARTIAL))
        for name in files:
            if name.endswith(".part"):
                os.unlink(os.path.join(parent, name))


def tree(folder: str) -> Iterator[Any]:
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from tree(entry.path)
        else:
            yield entry


def stored(orders: dict[str, Any]) -> Any:
    """Return the revisions under the root: model, revision, bytes, and whether some of it is still under way."""
    found = []
    for model in folders(orders["root"]):
        for revision in folders(model.path):
            entries = list(tree(revision.path))
            partly = any(entry.name.endswith(".part") or PARTIAL in entry.path for entry in entries)
            size = sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
            found.append({"model": model.name, "revision": revision.name, "bytes": size, "partly": partly})
    return found


def folders(at: str) -> list[Any]:
    """Return the folders in one, by name; none if it isn't there. Files that somebody put beside them don't count."""
    if not os.path.isdir(at):
        return []
    return sorted((entry for entry in os.scandir(at) if entry.is_dir()), key=lambda entry: entry.name)
