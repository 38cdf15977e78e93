"""One output of a command on a host: what belongs to it, kept up to a limit, or handed on line by line."""

from __future__ import annotations

from collections.abc import Callable

NOISE_BYTES = 64 << 10
"""How much of what is printed before the command starts is kept, to look for marks and to explain a failure."""

LONGEST_LINE_BYTES = 4 << 20
"""A longer line of a command whose lines are handed on is cut here: it must not fill our memory."""


class Stream:
    """One output: skipped up to the ready mark, kept up to a limit, counted beyond it.

    With on_line each line is handed on as it comes, without its end, and none is kept.
    """

    def __init__(
        self, start: bytes, limit_bytes: int, on_line: Callable[[bytes], object] | None = None
    ) -> None:
        self.start = start
        self.limit_bytes = limit_bytes
        self.on_line = on_line
        self.started = False
        self.before = bytearray()
        self.kept = bytearray()
        self.tail = b""
        self.over_bytes = 0

    def hear(self, data: bytes) -> None:
        """Take data in."""
        if not self.started:
            self.before += data
            at = self.before.find(self.start)
            if at < 0:
                del self.before[:-NOISE_BYTES]
                return
            self.started = True
            data = bytes(self.before[at + len(self.start) :])
            del self.before[at:]
        if self.on_line is not None:
            self._hand_on(data, self.on_line)
            return
        room = self.limit_bytes - len(self.kept)
        self.kept += data[:room]
        self.over_bytes += max(0, len(data) - room)
        self.tail = (self.tail + data)[-256:]

    def end(self) -> None:
        """Hand on what stands behind the last line's end."""
        if self.on_line is not None and self.kept:
            self.on_line(bytes(self.kept))
            self.kept.clear()

    def _hand_on(self, data: bytes, on_line: Callable[[bytes], object]) -> None:
        *lines, rest = data.split(b"\n")
        for line in lines:
            whole = bytes(self.kept) + line
            self.kept.clear()
            on_line(whole[:LONGEST_LINE_BYTES])
        self.kept += rest[: LONGEST_LINE_BYTES - len(self.kept)]
