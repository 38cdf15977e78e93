"""Runs on a host: keeps lock, receipt and history under /var/lib/glmprov. Standard library only.

Sent to `python3 -I -` with a call of answer() at its end, which prints one JSON object: {"lock": …} and what
else the verb has to say.

A lock lives as long as its lease. Within one boot the lease is counted by the monotonic clock, which nobody
sets; after a reboot only the wall clock is left. All is done while holding an flock, so two controllers can't
both win.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import time
from typing import Any

HOME = "/var/lib/glmprov"
LOCK = "lock.json"
BEFORE = "before.json"


def read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return None


def write(path: str, text: str, mode: int = 0o644) -> None:
    temporary = path + ".new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)  # on a full disk the half of it is what keeps it full
        raise
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def now() -> dict[str, Any]:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        boot_id = file.read().strip()
    return {"boot_id": boot_id, "monotonic_seconds": time.monotonic(), "wall_seconds": time.time()}


def present(home: str) -> dict[str, Any] | None:
    """Return the lock with "seconds_left", None if there is none. A damaged lock is one that has expired."""
    text = read(os.path.join(home, LOCK))
    if text is None:
        return None
    try:
        lock: dict[str, Any] = json.loads(text)
        renewed, moment = lock["renewed"], now()
        clock = "monotonic_seconds" if renewed["boot_id"] == moment["boot_id"] else "wall_seconds"
        lock["seconds_left"] = lock["lease_seconds"] - (moment[clock] - renewed[clock])
        lock["rebooted"] = renewed["boot_id"] != moment["boot_id"]
        return lock
    except (ValueError, KeyError, TypeError):
        return {
            "token": "",
            "owner": "unknown",
            "reason": "the lock file is damaged",
            "since": "",
            "seconds_left": 0,
        }


def put(home: str, lock: dict[str, Any]) -> None:
    names = ("token", "owner", "holder", "reason", "since", "lease_seconds", "reboot_expected")
    kept = {key: lock[key] for key in names}
    kept["renewed"] = now()
    kept["host"] = socket.gethostname()
    write(os.path.join(home, LOCK), json.dumps(kept, indent=1) + "\n")


def acquire(home: str, asked: dict[str, Any]) -> dict[str, Any]:
    lock = present(home)
    ours = (asked["token"], asked.get("instead_of"))
    if lock and lock["seconds_left"] > 0 and lock["token"] not in ours:
        return {"got": False, "lock": lock}
    put(home, asked)
    return {
        "got": True,
        "lock": present(home),
        "expired": lock if lock and lock["token"] != asked["token"] else None,
    }


def renew(home: str, asked: dict[str, Any]) -> dict[str, Any]:
    lock = present(home)
    if lock is None or lock["token"] != asked["token"]:
        return {"got": False, "lock": lock}
    put(home, asked)
    return {"got": True, "lock": present(home)}


def release(home: str, asked: dict[str, Any]) -> dict[str, Any]:
    lock = present(home)
    mine = lock is not None and (asked["force"] or lock["token"] == asked["token"])
    if mine:
        os.unlink(os.path.join(home, LOCK))
    return {"got": mine, "lock": lock}


def status(home: str, asked: dict[str, Any]) -> dict[str, Any]:
    return {"lock": present(home)}


def store(home: str, asked: dict[str, Any]) -> dict[str, Any]:
    os.makedirs(os.path.dirname(os.path.join(home, asked["name"])), mode=0o755, exist_ok=True)
    write(os.path.join(home, asked["name"]), asked["text"])
    known = kept(home)
    left = {key: value for key, value in known.items() if key not in asked.get("forgotten", ())}
    if left != known:
        write(os.path.join(home, BEFORE), json.dumps(left, indent=1) + "\n")
    return {}


def load(home: str, asked: dict[str, Any]) -> dict[str, Any]:
    return {"text": read(os.path.join(home, asked["name"]))}


def listed(home: str, asked: dict[str, Any]) -> dict[str, Any]:
    folder = os.path.join(home, asked["folder"])
    return {"names": sorted(os.listdir(folder)) if os.path.isdir(folder) else []}


def drop(home: str, asked: dict[str, Any]) -> dict[str, Any]:
    for name in asked["names"]:
        if os.path.lexists(os.path.join(home, name)):
            os.unlink(os.path.join(home, name))
    return {}


def append(home: str, asked: dict[str, Any]) -> dict[str, Any]:
    path = os.path.join(home, asked["name"])
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
    try:
        os.fchmod(descriptor, 0o644)
        size = os.lseek(descriptor, 0, os.SEEK_END)
        # A line that a crash cut off stays on a line of its own.
        cut_off = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        line = b"\n" * cut_off + asked["text"].encode()
        if os.write(descriptor, line) != len(line):
            os.ftruncate(descriptor, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if size + len(line) > asked["limit_bytes"]:
        shorten(path, asked["limit_bytes"] // 2)
    return {}


def begin(home: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Enter that a change begins, and keep what its keys were before, but for keys that we changed before."""
    append(home, asked)
    known = kept(home)
    before = {**asked["before"], **known}
    if before != known:
        write(os.path.join(home, BEFORE), json.dumps(before, indent=1) + "\n")
    return {"before": before}


def kept(home: str) -> dict[str, Any]:
    """Return what each key was before our first change; nothing where that is damaged."""
    try:
        known = json.loads(read(os.path.join(home, BEFORE)) or "{}")
    except ValueError:
        return {}
    return known if isinstance(known, dict) else {}


def leave(home: str, asked: dict[str, Any]) -> dict[str, Any]:
    for name in ("receipt.json", BEFORE):
        path = os.path.join(home, name)
        if asked[name] is not None:
            write(path, asked[name])
        elif os.path.lexists(path):
            os.unlink(path)
    return {}


def shorten(path: str, limit_bytes: int) -> None:
    """Keep the newest whole lines, so many bytes, the last line in any case."""
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = file.readlines()
    kept, size = lines[-1:], len(lines[-1].encode())
    for line in reversed(lines[:-1]):
        size += len(line.encode())
        if size > limit_bytes:
            break
        kept.append(line)
    write(path, "".join(reversed(kept)))


def history(home: str, asked: dict[str, Any]) -> dict[str, Any]:
    return {"text": read(os.path.join(home, asked["name"])), "lock": present(home)}


VERBS = {
    f.__name__: f
    for f in (acquire, renew, release, status, store, load, listed, drop, append, begin, leave, history)
}
LOOKING = ("status", "load", "listed", "history")


def answer(verb: str, asked: dict[str, Any]) -> None:
    home = asked["home"]
    looking = verb in LOOKING
    if looking and not os.path.isdir(home):
        print(json.dumps({"lock": None, "text": None, "names": []}))
        return
    if not os.path.isdir(home):
        os.makedirs(home)
        os.chmod(home, 0o755)  # noqa: S103  (a hardened host's umask would hide from people what was done)
    descriptor = os.open(home, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH if looking else fcntl.LOCK_EX)
    print(json.dumps(VERBS[verb](home, asked)))
