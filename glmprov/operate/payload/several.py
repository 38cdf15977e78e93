"""Work on several files at a time, and how far all of them are."""

from __future__ import annotations

import errno
import queue
import threading
from collections.abc import Callable
from typing import Any

from glmprov.operate.payload.telling import Fault, progress

HOPELESS = ("hub-down", "denied", "no-space", "system")
"""Faults that the next file would meet too."""


class Tally:
    """How far all files together are, for people."""

    def __init__(self, doing: str, files: list[dict[str, Any]], done_bytes: int) -> None:
        self.said = {
            "doing": doing, "files": len(files), "files_done": 0,
            "bytes_done": done_bytes, "bytes_total": done_bytes + sum(file["size_bytes"] for file in files),
        }  # fmt: skip
        self.lock = threading.Lock()

    def add(self, size: int = 0, files: int = 0) -> None:
        with self.lock:
            self.said["bytes_done"] += size
            self.said["files_done"] += files
            said = dict(self.said)
        progress(said, now=files > 0)


def fault_of(
    work: Callable[[dict[str, Any], threading.Event], None], file: dict[str, Any], stop: threading.Event
) -> dict[str, Any] | None:
    try:
        work(file, stop)
    except Fault as fault:
        return fault.told
    except OSError as error:
        kind = "no-space" if error.errno == errno.ENOSPC else "system"
        return {"kind": kind, "text": f"{file['path']}: {error.strerror or error}"}
    return None


def each_of(
    files: list[dict[str, Any]], work: Callable[[dict[str, Any], threading.Event], None], threads: int
) -> None:
    """Do the work for each file, several at a time. Raise the faults of all in one, the hopeless ones first."""
    waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    for file in sorted(files, key=lambda file: -file["size_bytes"]):
        waiting.put(file)
    stop, faults = threading.Event(), []

    def run() -> None:
        while not stop.is_set():
            try:
                file = waiting.get_nowait()
            except queue.Empty:
                return
            fault = fault_of(work, file, stop)
            if fault:
                faults.append(fault)
                if fault["kind"] in HOPELESS:
                    stop.set()

    running = [threading.Thread(target=run) for _ in range(max(1, min(threads, len(files))))]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if faults:
        first = next((fault for fault in faults if fault["kind"] in HOPELESS), faults[0])
        alike = [fault["text"] for fault in faults if fault["kind"] == first["kind"]]
        raise Fault(first["kind"], "\n".join(sorted(alike)))
