"""The first steps to a host that both SSH libraries take: its address, its key, and the words when it won't have us."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from glmprov.errors import UnreachableError
from glmprov.remote import ConnectOptions, known_hosts
from glmprov.remote.config import SshConfig
from glmprov.remote.ssh_failures import TOO_MANY_KEYS

RSA_SIGNATURES = ("rsa-sha2-512", "rsa-sha2-256")
"""How a server may sign with a key that known_hosts calls ssh-rsa."""

MANY_KEYS = 6
"""After so many keys a server hangs up: sshd's default MaxAuthTries."""

SILENT_SECONDS, ASK_SECONDS, ASKED_TIMES = 30, 10, 3
"""When a silent connection is asked whether its host still lives, how often, and when it counts as lost."""


class BeyondLibraryError(Exception):
    """This host may be reached, but not by this library: by the next one, or by ssh itself."""


def dial(config: SshConfig, options: ConnectOptions, name: str) -> socket.socket:
    """Open a TCP connection to a host. Raise UnreachableError with what to do if there is none."""
    where = f"{config.hostname} port {config.port}"
    try:
        connection = socket.create_connection((config.hostname, config.port), timeout=options.connect_seconds)
    except (socket.gaierror, UnicodeError) as error:  # the second: a..b, or longer than a name may be
        raise UnreachableError(
            f"the name {config.hostname} can't be resolved",
            host=name,
            next_step="check ansible_host, or the spelling",
        ) from error
    except ConnectionRefusedError as error:
        raise UnreachableError(
            f"{where} refuses connections",
            host=name,
            next_step="check that sshd runs there, and ansible_port",
        ) from error
    except OSError as error:
        raise UnreachableError(
            f"{where} doesn't answer: {error.strerror or error}",
            host=name,
            next_step="check that the host is up and the network lets you through",
        ) from error
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _keep_alive(connection)
    return connection


def _keep_alive(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    limits = {
        "TCP_KEEPIDLE": SILENT_SECONDS,
        "TCP_KEEPINTVL": ASK_SECONDS,
        "TCP_KEEPCNT": ASKED_TIMES,
    }
    for option, value in limits.items():
        if hasattr(socket, option):  # macOS knows only some of them
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def silent(config: SshConfig, name: str, seconds: float) -> UnreachableError:
    """Return the error for a connection that somebody took who then says nothing."""
    return UnreachableError(
        f"{config.hostname} port {config.port} takes the connection and says nothing for {seconds:g} s",
        host=name,
        next_step="check that sshd listens there and isn't at its MaxStartups",
    )


def not_ssh(config: SshConfig, name: str, said: str) -> UnreachableError:
    """Return the error for a connection that somebody took who doesn't speak SSH as we do."""
    where = f"{config.hostname} port {config.port}"
    return UnreachableError(
        f"{where} doesn't speak SSH as we do: {said}"
        if said
        else f"{where} takes the connection and closes it at once",
        host=name,
        next_step=f"try `ssh -v {config.asked}`, or the other channel with GLMPROV_CHANNEL=openssh",
    )


def refused(config: SshConfig, tried: Sequence[str], name: str) -> UnreachableError:
    """Return the error for a login that nothing of what was tried opened."""
    check = (
        "check the user (-u) and the key (--private-key), "
        f"or try `ssh -l {config.user} -p {config.port} {config.asked}`"
    )
    return UnreachableError(
        f"the login as {config.user} is refused (tried {', '.join(tried) or 'nothing: there is no key'})",
        host=name,
        next_step=TOO_MANY_KEYS if len(tried) >= MANY_KEYS else check,
    )


def key_kinds(config: SshConfig, kinds: Sequence[str]) -> tuple[str, ...]:
    """Order kinds of host key: first those that known_hosts holds for this host, or its key would look changed."""
    known = {line.kind for line in known_hosts.look_up(config.known_hosts_files, config.host_key_name)}
    known |= set(RSA_SIGNATURES) if "ssh-rsa" in known else set()
    return (*(kind for kind in kinds if kind in known), *(kind for kind in kinds if kind not in known))


def allowed(offered: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """Return what both sides name, in the order of wanted."""
    return tuple(name for name in wanted if name in offered)


def ciphers(config: SshConfig) -> list[str]:
    """Return the ciphers that the configuration allows, those of one pass first.

    The others need a second checksum, which a library may take in Python.
    """
    return sorted(config.one("ciphers", "").split(","), key=lambda name: "gcm" not in name)
