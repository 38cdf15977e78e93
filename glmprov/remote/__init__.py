"""The ways to a host. The only room with SSH libraries in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from glmprov.secret import Secret

if TYPE_CHECKING:
    from glmprov.inventory import Host


@dataclass(frozen=True)
class Completed:
    """A command that ended on a host. truncated: the output was longer than allowed and was cut."""

    returncode: int
    stdout: bytes
    stderr: bytes
    truncated: bool = False


@dataclass(frozen=True)
class ConnectOptions:
    """What command line and ansible.cfg say about reaching hosts. As in Ansible, a host's variables win.

    user is -u, private_key --private-key, password -k, become -b, become_password -K; channel is auto,
    openssh, libssh2 or paramiko; connect_seconds bounds one connection; ssh_arguments are ansible.cfg's for ssh.
    """

    user: str | None = None
    private_key: str | None = None
    password: Secret | None = None
    become: bool = False
    become_password: Secret | None = None
    channel: str = "auto"
    connect_seconds: float = 10.0
    ssh_arguments: tuple[str, ...] = ()


class Channel(Protocol):
    """An open way to one host. Closed by leaving the `with` block."""

    @property
    def becomes(self) -> bool:
        """Whether run(become=True) has a way to root: the login is root, or somebody said how."""

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
        """Run argv on the host, quoted once, here; with become, as root in the way the inventory says.

        With on_line each line of standard output is handed on as it comes, none is kept, and a command that is
        silent for a minute counts as lost. The command dies with its deadline on the host too. Raise
        UnreachableError if the host is lost or the deadline passes, BecomeError if becoming root is refused or
        wants a password that we don't have.
        """

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


def connect(host: Host, options: ConnectOptions | None = None) -> Channel:
    """Open the way to host that it needs: local, libssh2, paramiko or OpenSSH (docs/connecting.md says which when).

    Raise UnreachableError if nobody answers or the login is refused, HostKeyError if the host's key is
    unknown or has changed, InventoryError if the host's connection variables make no sense.
    """
    from glmprov.remote.choice import open_channel

    return open_channel(host, options or ConnectOptions())
