"""Ctrl-C while hosts are changed: the first lets what is in flight end, the second stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Whether the person wants no more to begin. told is called at the first Ctrl-C, to say what happens now."""

    def __init__(self, told: Callable[[], None]) -> None:
        self._told = told
        self.asked = False

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Within the block the first Ctrl-C only asks; the next one is a KeyboardInterrupt as ever."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._hear)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        # In a thread of its own: a signal may come in the middle of a line that is being printed.
        threading.Thread(target=self._told, name="interrupt", daemon=True).start()
