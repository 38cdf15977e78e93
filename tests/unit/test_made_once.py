"""Many threads ask at once, one makes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from glmprov.made_once import made_once

THREADS = 8


def test_threads_that_ask_at_once_get_what_one_made() -> None:
    two_make = threading.Barrier(2)
    made: list[str] = []

    @made_once()
    def slow(name: str) -> object:
        made.append(name)
        with suppress(threading.BrokenBarrierError):
            two_make.wait(timeout=0.2)  # a second thread that makes it too would get here
        return object()

    with ThreadPoolExecutor(THREADS) as pool:
        got = list(pool.map(slow, ["a"] * THREADS))
    assert made == ["a"] and len(set(map(id, got))) == 1
    assert slow("b") is slow("b") and made == ["a", "b"]


def test_what_could_not_be_made_is_tried_again() -> None:
    tries: list[int] = []

    @made_once()
    def fails() -> None:
        tries.append(1)
        raise OSError

    for _ in range(2):
        with pytest.raises(OSError):
            fails()
    assert len(tries) == 2
