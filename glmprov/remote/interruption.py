"""Ctrl-C: everything that waits for a host hangs up at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from glmprov.errors import UnreachableError

_lock = threading.Lock()
_open: dict[int, Callable[[], None]] = {}
_interrupted = threading.Event()


@contextmanager
def interruptible(hang_up: Callable[[], None]) -> Iterator[None]:
    """While the block waits for a host, hang_up ends the waiting from another thread."""
    with _lock:
        if _interrupted.is_set():
            raise UnreachableError("interrupted")
        _open[id(hang_up)] = hang_up
    try:
        yield
    finally:
        with _lock:
            del _open[id(hang_up)]


@contextmanager
def all_hung_up() -> Iterator[None]:
    """End every waiting now, and let none begin inside the block."""
    with _lock:
        _interrupted.set()
        waiting = list(_open.values())
    for hang_up in waiting:
        hang_up()
    try:
        yield
    finally:
        _interrupted.clear()


def wait(seconds: float) -> None:
    """Wait between two tries to reach a host. Raise UnreachableError as soon as there is an interrupt."""
    if _interrupted.wait(seconds):
        raise UnreachableError("interrupted")
