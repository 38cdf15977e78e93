"""Ctrl-C: the first asks, the second stops."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from glmprov.actions.changing.interrupt import Interrupt


def test_the_first_only_asks_and_the_second_stops() -> None:
    told = threading.Semaphore(0)
    interrupt = Interrupt(told.release)
    with interrupt.heard():
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupt.asked and told.acquire(timeout=60)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert not told.acquire(blocking=False)


def test_afterwards_an_interrupt_is_one_again() -> None:
    with Interrupt(lambda: None).heard():
        pass
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
