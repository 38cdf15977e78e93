"""What `lock` shows and releases."""

from __future__ import annotations

from dataclasses import dataclass

from glmprov.errors import GlmprovError
from glmprov.receipt import LockState


@dataclass(frozen=True)
class HostLock:
    """The lock of one host; info None: nobody holds it. released: it was taken away just now."""

    host: str
    info: LockState | None = None
    error: GlmprovError | None = None
    released: bool = False

    @property
    def text(self) -> str:
        """Who holds the lock, or held it until just now, in one line."""
        if self.info is None:
            return "not locked"
        return f"released, was held by {self.info.text}" if self.released else self.info.text
