"""Fetch a model's files from a hub: several at a time, each going on where it stopped, verified on the way."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import threading
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote

from glmprov.operate.payload.fetching import opener, why
from glmprov.operate.payload.hub import headers, refused
from glmprov.operate.payload.several import Tally, each_of
from glmprov.operate.payload.telling import Fault
from glmprov.operate.payload.weights import PIECE_BYTES, Sum, alone, look, remember, size_of, summed, tidy

READ_SECONDS = 60.0
TRIES_WITHOUT_PROGRESS = 5
ROOM_LEFT_BYTES = 1 << 30
NETWORK = (
    urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, socket.timeout, ssl.SSLError,
)  # fmt: skip
"""What another try may mend. An error of the disk is none of these."""


def download(orders: dict[str, Any]) -> Any:
    """Fetch what is missing, some files at a time, and verify it on the way; return how many files came."""
    folder = orders["folder"]
    if orders.get("direct"):
        os.environ["no_proxy"] = "*"
    with alone(folder):
        seen = look(orders)
        todo = [
            file
            for file in orders["files"]
            if file["path"] in seen["wrong"] or file["path"] in seen["missing"]
        ]
        if seen["needed_bytes"] + ROOM_LEFT_BYTES > seen["free_bytes"]:
            raise Fault("no-space", folder, needed_bytes=seen["needed_bytes"], free_bytes=seen["free_bytes"])
        there = sum(file["size_bytes"] for file in orders["files"]) - sum(file["size_bytes"] for file in todo)
        tally = Tally("copying" if orders.get("direct") else "downloading", todo, there)
        written = threading.Lock()

        def one(file: dict[str, Any], stop: threading.Event) -> None:
            fetch(orders, file, tally, stop)
            with written:
                remember(orders, [file])

        each_of(todo, one, orders.get("parallel", 4))
        tidy(folder)
        return len(todo)


def fetch(orders: dict[str, Any], file: dict[str, Any], tally: Tally, stop: threading.Event) -> None:
    """Fetch one file, going on with what is there of it. A wrong sum costs one more try from the beginning."""
    path = os.path.join(orders["folder"], file["path"])
    os.makedirs(os.path.dirname(path), exist_ok=True)
    part = path + ".part"
    size = size_of(path)
    if size is not None:
        os.replace(path, part) if size < file["size_bytes"] else os.unlink(path)
    for again in (True, False):
        if complete(orders, file, part, tally, stop).right:
            break
        tally.add(-file["size_bytes"])
        os.unlink(part)
        if not again:
            raise Fault("wrong-sum", file["path"])
    os.chmod(part, 0o644)
    os.replace(part, path)
    tally.add(files=1)


def complete(
    orders: dict[str, Any], file: dict[str, Any], part: str, tally: Tally, stop: threading.Event
) -> Sum:
    """Bring the part to its full size; return its sum."""
    with open(part, "ab+") as out:
        if out.tell() > file["size_bytes"]:
            out.truncate(0)
        total = Sum(file)
        summed(out, total, tally)
        tries = 0
        while out.tell() < file["size_bytes"]:
            before = out.tell()
            try:
                receive(orders, file, out, total, tally, stop)
                trouble = "the hub sends less than it says"
            except urllib.error.HTTPError as refusal:
                if refusal.code < 500 and refusal.code != 429:
                    raise refused(refusal, file["path"]) from None
                trouble = f"{refusal.code} {refusal.reason}"
            except NETWORK as error:
                trouble = why(error)
            if stop.is_set():
                raise Fault("stopped", file["path"])
            tries = tries + 1 if out.tell() <= before else 0
            if tries >= TRIES_WITHOUT_PROGRESS:
                kind = "truncated" if trouble.startswith("the hub sends less") else "hub-down"
                raise Fault(kind, f"{file['path']}: {trouble}")
            if tries:
                stop.wait(orders["retry_seconds"] * 2**tries)
        out.flush()
        os.fsync(out.fileno())
        return total


def receive(
    orders: dict[str, Any], file: dict[str, Any], out: Any, total: Sum, tally: Tally, stop: threading.Event
) -> None:
    """Take one answer of the hub's, from where the part ends."""
    begun = out.tell()
    url = f"{orders['endpoint']}/{quote(orders['model'])}/resolve/{orders['revision']}/{quote(file['path'])}"
    asked = {**headers(orders), "Accept-Encoding": "identity"}
    if begun:
        asked["Range"] = f"bytes={begun}-"
    with opener().open(urllib.request.Request(url, headers=asked), timeout=READ_SECONDS) as answer:
        if begun and answer.status != 206:  # it sends all of it again
            skipped = 0
            while skipped < begun:
                data = answer.read(min(PIECE_BYTES, begun - skipped))
                if not data:
                    return
                skipped += len(data)
        left = file["size_bytes"] - begun
        while left and not stop.is_set():
            data = answer.read1(min(PIECE_BYTES, left))
            if not data:
                return
            out.write(data)
            total.update(data)
            tally.add(len(data))
            left -= len(data)
