"""What every channel to a host has in common: the way to root, and one conversation a command."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from glmprov.inventory import Host
from glmprov.remote import Completed, ConnectOptions
from glmprov.remote.become import wanted, way_to_root
from glmprov.remote.conversation import Conversation


class Talker(ABC):
    """A channel whose commands are conversations. What it adds is how to speak with a shell."""

    def __init__(self, host: Host, options: ConnectOptions, *, is_root: bool) -> None:
        """Take note of host and options. is_root: the login is root already."""
        self.host = host
        self.options = options
        self._is_root = is_root

    @property
    def becomes(self) -> bool:
        """Whether there is a way to root."""
        return self._is_root or wanted(self.host, self.options)

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        deadline_seconds: float = 60.0,
        become: bool = False,
        max_output_bytes: int = 8 << 20,
        on_line: Callable[[bytes], object] | None = None,
    ) -> Completed:
        """Run argv on the host. Errors as Channel.run."""
        conversation = Conversation(
            argv,
            host=self.host.name,
            stdin=stdin,
            deadline_seconds=deadline_seconds,
            max_output_bytes=max_output_bytes,
            become=way_to_root(self.host, self.options) if become and not self._is_root else None,
            on_line=on_line,
        )
        return self._converse(conversation)

    @abstractmethod
    def _converse(self, conversation: Conversation) -> Completed:
        """Let conversation speak with a shell on the host; return what came of it."""

    def _close(self) -> None:  # noqa: B027  (a channel may have nothing to close)
        """Close what is open, when the `with` block ends."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()
