"""This machine as a host (ansible_connection=local)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from glmprov.inventory import Host
from glmprov.remote import Completed, ConnectOptions
from glmprov.remote.become import wanted, way_to_root
from glmprov.remote.conversation import Conversation
from glmprov.remote.process import converse
from glmprov.remote.script import COMMAND_LINE


class LocalChannel:
    """Commands on this machine, through the same shell, watchdog and sudo as anywhere."""

    def __init__(self, host: Host, options: ConnectOptions) -> None:
        self.host = host
        self.options = options

    @property
    def becomes(self) -> bool:
        """Whether there is a way to root."""
        return os.geteuid() == 0 or wanted(self.host, self.options)

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
        """Run argv here. Errors as Channel.run."""
        conversation = Conversation(
            argv,
            host=self.host.name,
            stdin=stdin,
            deadline_seconds=deadline_seconds,
            max_output_bytes=max_output_bytes,
            become=way_to_root(self.host, self.options) if become and os.geteuid() != 0 else None,
            on_line=on_line,
        )
        return converse(["/bin/sh", "-c", COMMAND_LINE], conversation)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing to close."""
