"""The ways to a host. The only room with paramiko in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self


@dataclass(frozen=True)
class Completed:
    """A command that ended on a host. truncated: the output was longer than allowed and was cut."""

    returncode: int
    stdout: bytes
    stderr: bytes
    truncated: bool = False


class Channel(Protocol):
    """An open way to one host. Closed by leaving the `with` block."""

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        deadline_seconds: float = 60.0,
        become: bool = False,
        max_output_bytes: int = 8 << 20,
    ) -> Completed:
        """Run argv on the host, quoted once, here; with become, as root in the way the inventory says.

        The command dies with its deadline on the host too. Raise UnreachableError if the host is lost or the
        deadline passes, BecomeError if becoming root is refused or wants a password that we don't have.
        """

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
