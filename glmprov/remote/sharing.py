"""The connection that commands and Ansible share: where its socket lies, and what every ssh of ours is told."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from glmprov.errors import UnreachableError
from glmprov.remote.config import SshConfig

PERSIST_SECONDS = 60
"""How long a master outlives its last command: from the probe to Ansible's first task, and from there to the next."""


LONGEST_SOCKET_BYTES = 85
"""A Unix socket's path holds 107 bytes, and ssh adds 17 to the control path while it makes the socket."""


def multiplexing(master: str, path: Path) -> list[str]:
    """Return the options that share one connection."""
    return [
        "-o",
        f"ControlMaster={master}",
        "-o",
        f"ControlPersist={PERSIST_SECONDS}s",
        "-o",
        f"ControlPath={path}",
    ]


def strictness(config: SshConfig) -> list[str]:
    """Return what holds for every connection: known hosts only, the cheap key exchange first, no dead masters.

    A master whose host lost power would otherwise look alive until TCP gives up, a quarter of an hour later.
    """
    arguments = [
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
        "ServerAliveInterval=10",
        "-o",
        "ServerAliveCountMax=3",
    ]
    if config.kex_algorithms:
        arguments += ["-o", f"KexAlgorithms={','.join(config.kex_algorithms)}"]
    return arguments


def control_path(config: SshConfig) -> Path:
    """Return where the master's socket for this way to a host lies: the same for everyone who asks the same."""
    return control_directory() / config.fingerprint


def masters() -> list[str]:
    """Return what lies among the sockets: often nothing, and then no host has to be looked for."""
    return os.listdir(control_directory())  # noqa: PTH208  # a look for each host, so the cheap one


def control_directory() -> Path:
    """Return a folder for sockets that only we can enter, with a path short enough for a socket."""
    return _control_directory(os.environ.get("XDG_RUNTIME_DIR"), os.environ.get("XDG_CACHE_HOME"))


@lru_cache(maxsize=4)
def _control_directory(runtime: str | None, cache: str | None) -> Path:
    home = Path(cache or Path.home() / ".cache")
    candidates = [Path(runtime) / "glmprov"] if runtime and Path(runtime).is_dir() else []
    candidates += [home / "glmprov" / "ssh", Path("/tmp") / f"glmprov-{os.getuid()}"]  # noqa: S108  # checked below
    for folder in candidates:
        if len(os.fsencode(folder)) + 17 > LONGEST_SOCKET_BYTES:
            continue
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:  # a home that isn't there, or can't be written, as in a container
            continue
        held = folder.lstat()
        if folder.is_symlink() or held.st_uid != os.getuid() or held.st_mode & 0o077:
            raise UnreachableError("is open to others, so it can't hold SSH sockets", place=str(folder))
        return folder
    raise UnreachableError(
        "no folder for SSH sockets can be made with a short enough path", next_step="set XDG_RUNTIME_DIR"
    )


def quiet_environment() -> dict[str, str]:
    """Return our environment for ssh: its messages in English, and no window that asks for a password."""
    return {**os.environ, "LC_ALL": "C", "SSH_ASKPASS_REQUIRE": "never"}


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes and threads, so that a host gets one master."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
