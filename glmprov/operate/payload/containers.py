"""Containers on the host, through its Docker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from glmprov.operate.payload.daemon import acted, called, unless_missing


def container(orders: dict[str, Any]) -> Any:
    """Return a container, None if there is none of that name."""
    return unless_missing(orders, "/containers/{}/json".format(quote(orders["name"])))


def stop_container(orders: dict[str, Any]) -> Any:
    """Stop a container: SIGTERM, after some seconds SIGKILL. Return whether there was one."""
    seconds = int(orders["seconds"])
    path = "/containers/{}/stop".format(quote(orders["name"]))
    return acted(orders, "POST", path, query={"t": str(seconds)}, silent_seconds=seconds + 30.0)


def remove_container(orders: dict[str, Any]) -> Any:
    """Remove a container, a running one too. Return whether there was one."""
    return acted(orders, "DELETE", "/containers/{}".format(quote(orders["name"])), query={"force": "1"})


def container_log(orders: dict[str, Any]) -> Any:
    """Return the last lines that a container has printed, both outputs in order, None if there is none."""
    query = {"stdout": "1", "stderr": "1", "tail": str(int(orders["lines"]))}
    seen = container(orders)
    if seen is None:
        return None
    with called(orders, "GET", "/containers/{}/logs".format(quote(orders["name"])), query=query) as answer:
        data = answer.read()
    whole = data if seen["Config"].get("Tty") else b"".join(part for _, part in frames(data))
    return whole.decode(errors="replace")


def frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Split what Docker sends of a container without a terminal: output number, length, bytes."""
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "big")
        yield data[at], data[at + 8 : at + 8 + size]
        at += 8 + size
