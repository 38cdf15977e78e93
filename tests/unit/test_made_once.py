"""Many threads ask at once, one makes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from glmprov.made_once import made_once

THREADS = 8


def test_threads_that_ask_at_once_get_what_one_made() -> None:
    all_ask = threading.Barrier(THREADS)
    made: list[str] = []

    @made_once()
    def slow(name: str) -> object:
        made.append(name)
        return object()

    def ask(name: str) -> object:
        all_ask.wait(timeout=10)
        return slow(name)

    with ThreadPoolExecutor(THREADS) as pool:
        got = list(pool.map(ask, ["a"] * THREADS))
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
