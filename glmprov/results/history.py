"""What `history` shows."""

from __future__ import annotations

from dataclasses import dataclass

from glmprov.errors import GlmprovError
from glmprov.history import Act


@dataclass(frozen=True)
class HostHistory:
    """The changes on one host, the newest last. unread counts lines of its journal that can't be read."""

    host: str
    acts: tuple[Act, ...] = ()
    unread: int = 0
    error: GlmprovError | None = None
