"""Logging in with paramiko: the keys that ssh would try, then a password."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from glmprov.made_once import made_once
from glmprov.remote.config import SshConfig
from glmprov.remote.lean_paramiko import paramiko
from glmprov.remote.reaching import refused
from glmprov.secret import Secret


def log_in(transport: paramiko.Transport, config: SshConfig, password: Secret | None, name: str) -> None:
    """Log in with each key in turn, then with the password. Raise UnreachableError if nothing is accepted."""
    tried: list[str] = []
    try:
        for key, origin in _keys(config, tried):
            tried.append(origin)
            with suppress(paramiko.AuthenticationException):
                if not transport.auth_publickey(config.user, key):
                    return
        if password is not None:
            tried.append("password")
            with suppress(paramiko.AuthenticationException):
                if not transport.auth_password(config.user, password.reveal()):
                    return
    except (paramiko.SSHException, OSError, EOFError) as error:
        tried.append(f"then: {error or 'the server closed the connection'}")
    raise refused(config, tried, name)


def _keys(config: SshConfig, tried: list[str]) -> Iterator[tuple[paramiko.PKey, str]]:
    """Yield the keys to try with their origins: those named in the configuration, then the rest of the agent's."""
    in_agent = _agent_keys(config)
    for path in config.identity_files:
        if not path.is_file():
            continue
        public = _public_half(path)
        held = next((key for key in in_agent if public and key.get_base64() == public), None)
        if held:
            in_agent.remove(held)
            yield held, f"{path} in the agent"
            continue
        try:
            yield _key(path, path.stat().st_mtime_ns), str(path)
        except paramiko.PasswordRequiredException:
            tried.append(f"not {path}, which needs a passphrase: add it to ssh-agent")
        except (paramiko.SSHException, OSError, ValueError) as error:
            tried.append(f"not {path}: {error}")
    if config.one("identitiesonly") != "yes":
        for key in in_agent:
            yield key, f"the agent's {key.comment or key.get_name()}"


@made_once(maxsize=32)
def _key(path: Path, _changed_ns: int) -> paramiko.PKey:
    """Return a private key; hosts share it."""
    return paramiko.PKey.from_path(path)


def _agent_keys(config: SshConfig) -> list[paramiko.AgentKey]:
    """Return the agent's keys; none if the configuration wants no agent or there is none."""
    if config.one("identityagent", "") == "none" or not os.environ.get("SSH_AUTH_SOCK"):
        return []
    try:
        return list(paramiko.Agent().get_keys())
    except paramiko.SSHException:
        return []


def _public_half(path: os.PathLike[str]) -> str | None:
    """Return the public key beside a private one, in base64."""
    with suppress(OSError, IndexError), open(f"{os.fspath(path)}.pub") as file:  # noqa: PTH123
        return file.read().split()[1]
    return None
