"""Logging in with libssh2: the key files that ssh would try, and what is better left to paramiko."""

from __future__ import annotations

import base64
import os
from binascii import Error as NotBase64
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from socket import socket
from typing import Any

from glmprov.made_once import made_once
from glmprov.remote import known_hosts
from glmprov.remote.config import SshConfig
from glmprov.remote.reaching import BeyondLibraryError, allowed, ciphers, key_kinds, not_ssh, refused, silent
from glmprov.secret import Secret

NOT_ALGORITHMS = ("ext-info-c", "kex-strict-c-v00@openssh.com")
"""What stands among the key exchanges and is none: how RSA keys may sign, and the guard against cut handshakes."""

OPENSSH_KEY = b"openssh-key-v1\0"


def beyond_libssh2(config: SshConfig, password: Secret | None) -> str | None:
    """Return why paramiko is to log in there, None if libssh2 can."""
    if find_spec("ssh2") is None:
        return "the package ssh2-python isn't installed"
    if password is not None:
        return "there is a password for the login"
    if not any(_plain_keys(config)):
        return "there is no key file without a passphrase"
    return None


def shake_hands(connection: socket, seconds: float, config: SshConfig, name: str) -> Any:
    """Return the session with a host whose key is known; nobody is logged in yet. No call of it waits for longer.

    Raise BeyondLibraryError if the host offers nothing that libssh2 knows, UnreachableError if it doesn't speak SSH,
    HostKeyError as known_hosts.check.
    """
    from ssh2.exceptions import KexFailureError, SSH2Error, Timeout
    from ssh2.session import Session

    session = Session()
    session.set_timeout(int(seconds * 1000))
    try:
        _prefer(session, config)
        session.handshake(connection)
    except KexFailureError as error:
        raise BeyondLibraryError("the host offers no algorithm that libssh2 knows") from error
    except Timeout as error:
        raise silent(config, name, seconds) from error
    except (SSH2Error, OSError) as error:
        raise not_ssh(config, name, str(session.last_error() or "")) from error
    blob, _ = session.hostkey()
    kind = blob[4 : 4 + int.from_bytes(blob[:4], "big")].decode("ascii", "replace")
    key = base64.b64encode(blob).decode()
    known_hosts.check(config.known_hosts_files, config.host_key_name, kind, key, host=name)
    return session


def _prefer(session: Any, config: SshConfig) -> None:
    """Offer what the configuration allows: cheap key exchanges and ciphers first, known kinds of host key first."""
    from ssh2 import session as libssh2

    macs = config.one("macs", "").split(",")
    kinds = key_kinds(config, config.one("hostkeyalgorithms", "").split(","))
    for methods, wanted in (
        (("KEX",), config.kex_algorithms),
        (("HOSTKEY",), kinds),
        (("CRYPT_CS", "CRYPT_SC"), ciphers(config)),
        (("MAC_CS", "MAC_SC"), macs),
    ):
        for method in methods:
            number = getattr(libssh2, f"LIBSSH2_METHOD_{method}")
            both = allowed(_known(number), wanted)
            if not both:
                raise BeyondLibraryError(f"of {', '.join(wanted)} libssh2 knows none")
            session.method_pref(number, ",".join(both + (NOT_ALGORITHMS if method == "KEX" else ())))


@made_once(maxsize=8)
def _known(method: int) -> tuple[str, ...]:
    from ssh2.session import Session

    return tuple(Session().supported_algs(method))


def log_in(session: Any, config: SshConfig, name: str) -> None:
    """Log in with each key file in turn.

    Raise UnreachableError if none is accepted, BeyondLibraryError if paramiko has more to try: an agent's keys, or
    those with a passphrase that are in it.
    """
    from ssh2.exceptions import AuthenticationError, SSH2Error

    tried: list[str] = []
    for path, key in _plain_keys(config):
        tried.append(str(path))
        try:
            session.userauth_publickey_frommemory(config.user, key)
        except AuthenticationError:
            continue
        except (SSH2Error, OSError) as error:
            tried[-1] = f"{path}: {session.last_error() or type(error).__name__}"
            continue
        return
    if os.environ.get("SSH_AUTH_SOCK") and config.one("identityagent", "") != "none":
        raise BeyondLibraryError("no key file is accepted, and there is an agent")
    raise refused(config, tried, name)


def _plain_keys(config: SshConfig) -> Iterator[tuple[Path, bytes]]:
    """Yield the private keys that need no passphrase, in the order in which ssh would try them."""
    for path in config.identity_files:
        try:
            key = _plain_key(path, path.stat().st_mtime_ns)
        except OSError:
            continue
        if key:
            yield path, key


@made_once(maxsize=32)
def _plain_key(path: Path, _changed_ns: int) -> bytes:
    """Return a private key as its file has it; nothing if it needs a passphrase or is none. Hosts share it."""
    text = path.read_bytes()
    if b"PRIVATE KEY" not in text or b"ENCRYPTED" in text:
        return b""
    if b"BEGIN OPENSSH PRIVATE KEY" in text:
        body = b"".join(line for line in text.splitlines() if not line.startswith(b"---"))
        try:
            start = base64.b64decode(body)[: len(OPENSSH_KEY) + 8]
        except NotBase64:
            return b""
        return text if start == OPENSSH_KEY + b"\0\0\0\4none" else b""
    return text
