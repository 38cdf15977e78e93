"""Ctrl-C: the first asks, the second stops."""

from __future__ import annotations

import os
import signal

import pytest

from glmprov.actions.interrupt import Interrupt


def test_the_first_only_asks_and_the_second_stops() -> None:
    told: list[str] = []
    interrupt = Interrupt(lambda: told.append("finishing"))
    with interrupt.heard():
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupt.asked and told == ["finishing"]
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert told == ["finishing"]


def test_afterwards_an_interrupt_is_one_again() -> None:
    with Interrupt(lambda: None).heard():
        pass
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
