"""Who holds the memory of which card, who listens at a port, and an end for those that are ours."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Any

from glmprov.operate.payload.telling import Fault, progress

LOOK_AGAIN_SECONDS = 0.1
AFTER_KILL_SECONDS = 15.0
LISTENING = "0A"


def nvml_of(orders: dict[str, Any]) -> dict[str, Any]:
    """Return NVML's functions by name, from the part of nvidia-ml-py that came with the orders."""
    space: dict[str, Any] = {"__name__": "nvml"}
    exec(compile(orders["nvml"], "nvml", "exec"), space)
    try:
        space["nvmlInit"]()
    except Exception as error:  # NVML's own kinds of error came with it
        raise Fault("nvml", str(error)) from None
    return space


def handles(nvml: dict[str, Any], uuids: list[str]) -> dict[str, Any]:
    """Return the cards by UUID. Raise Fault naming those that aren't there."""
    found = {}
    for index in range(nvml["nvmlDeviceGetCount"]()):
        with contextlib.suppress(
            Exception
        ):  # a card that has fallen off the bus; named below if it is one of these
            handle = nvml["nvmlDeviceGetHandleByIndex"](index)
            name = nvml["nvmlDeviceGetUUID"](handle)
            found[name.decode() if isinstance(name, bytes) else name] = handle
    missing = [uuid for uuid in uuids if uuid not in found]
    if missing:
        raise Fault("no-card", ", ".join(missing))
    return {uuid: found[uuid] for uuid in uuids}


def held(nvml: dict[str, Any], cards: dict[str, Any]) -> dict[str, Any]:
    """Return what is used of each card's memory, and who uses it."""
    seen = {}
    for uuid, handle in cards.items():
        try:
            memory = nvml["nvmlDeviceGetMemoryInfo"](handle)
            users = [
                *nvml["nvmlDeviceGetComputeRunningProcesses_v3"](handle),
                *nvml["nvmlDeviceGetGraphicsRunningProcesses_v3"](handle),
            ]
        except Exception as error:
            raise Fault("nvml", f"{uuid}: {error}") from None
        processes = {user.pid: {**process(user.pid), "bytes": user.usedGpuMemory or 0} for user in users}
        seen[uuid] = {"used_bytes": memory.used, "processes": list(processes.values())}
    return seen


def process(pid: int) -> dict[str, Any]:
    """Return what names a process for good, and what people know it by. started "": it has ended."""
    base = f"/proc/{pid}/"
    return {
        "pid": pid,
        "started": started(pid),
        "name": text_of(base + "comm").strip(),
        "command": text_of(base + "cmdline").replace("\0", " ").strip()[:300],
        "cgroup": text_of(base + "cgroup").strip().rpartition(":")[2],
    }


def text_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(8192)
    except OSError:
        return ""


def started(pid: int) -> str:
    """Return when a process started, in ticks since boot; "" for none, or one that has ended."""
    fields = text_of(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return "" if not fields or fields[0] in "ZX" else fields[19]


def look(orders: dict[str, Any]) -> Any:
    """Return who holds memory of the cards."""
    nvml = nvml_of(orders)
    return held(nvml, handles(nvml, orders["uuids"]))


def is_ours(who: dict[str, Any], orders: dict[str, Any]) -> bool:
    """Say whether a process is of our unit, of a container of ours, or one that we wrote down."""
    recorded = any(
        who["pid"] == one["pid"] and who["started"] == one["started"] for one in orders["recorded"]
    )
    parts = who["cgroup"].split("/")
    return recorded or any(mark in part for mark in orders["marks"] for part in parts)


def free(orders: dict[str, Any]) -> Any:
    """Wait until nobody holds memory of the cards; end those that are ours. Return whom, and how long it took.

    Raise Fault if somebody else holds some, if one of ours can't be ended, or if memory stays used by nobody.
    """
    nvml = nvml_of(orders)
    cards = handles(nvml, orders["uuids"])
    begun = time.monotonic()
    ended: list[dict[str, Any]] = []
    asked: dict[int, float] = {}
    while True:
        seen = held(nvml, cards)
        users = {who["pid"]: who for card in seen.values() for who in card["processes"] if who["started"]}
        strangers = [who for who in users.values() if not is_ours(who, orders)]
        if strangers:
            raise Fault("others", "", processes=strangers)
        used = {
            uuid: card["used_bytes"]
            for uuid, card in seen.items()
            if card["used_bytes"] > orders["idle_bytes"]
        }
        seconds = time.monotonic() - begun
        if not users and not used:
            return {"ended": ended, "seconds": seconds}
        for who in users.values():
            end(who, asked, orders["term_seconds"], ended)
        if seconds > orders["limit_seconds"]:
            raise Fault("still-used", "", processes=list(users.values()), used=used)
        progress({"holding": len(users), "used_bytes": sum(used.values()), "seconds": seconds})
        time.sleep(LOOK_AGAIN_SECONDS)  # the driver frees memory some time after its last user has gone


def end(
    who: dict[str, Any], asked: dict[int, float], term_seconds: float, ended: list[dict[str, Any]]
) -> None:
    """Ask a process to end; insist later. It is this very process: a pid alone may be another's by now."""
    pid = who["pid"]
    if started(pid) != who["started"]:
        return
    moment = time.monotonic()
    with contextlib.suppress(ProcessLookupError):
        if pid not in asked:
            asked[pid] = moment
            os.kill(pid, signal.SIGTERM)
            ended.append({**who, "killed": False})
        elif moment - asked[pid] > term_seconds:
            os.kill(pid, signal.SIGKILL)
            for each in ended:
                each["killed"] = each["killed"] or each["pid"] == pid


def listener(orders: dict[str, Any]) -> Any:
    """Return who listens at a TCP port, None if nobody does. A pid of 0: somebody whom we may not see."""
    port = orders["port"]
    sockets = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in text_lines(table)[1:]:
            fields = line.split()
            if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                sockets[f"socket:[{fields[9]}]"] = True
    if not sockets:
        return None
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            for number in os.listdir(f"/proc/{pid}/fd"):
                if os.readlink(f"/proc/{pid}/fd/{number}") in sockets:
                    return process(int(pid))
    return process(0)


def text_lines(path: str) -> list[str]:
    try:
        with open(path, encoding="ascii") as file:
            return file.readlines()
    except OSError:
        return []
