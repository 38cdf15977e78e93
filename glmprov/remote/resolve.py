"""`ssh -G` asked how it would reach a host: once for all hosts that no line of ssh_config tells apart."""

from __future__ import annotations

import re
import shlex
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from glmprov.errors import InventoryError, UnreachableError
from glmprov.inventory import Host
from glmprov.remote import ConnectOptions
from glmprov.remote.alike import NOBODY, alike, files_asked
from glmprov.remote.become import first
from glmprov.remote.config import SshConfig, login_arguments, own_arguments, parse
from glmprov.secret import reveal

_ANSWERS: dict[object, _Nobody] = {}
"""What ssh said of NOBODY, by what it was asked with."""

_ONE_ASKS = threading.Lock()


def resolve(host: Host, options: ConnectOptions) -> SshConfig:
    """Ask `ssh -G` how to reach host, with what inventory and command line say.

    Raise InventoryError if ssh doesn't accept what they say, UnreachableError if there is no ssh.
    """
    asked = reveal(first(host.variables, "ansible_host", "ansible_ssh_host") or host.name)
    arguments = login_arguments(host, options)
    return ask(host.name, asked, arguments, own_arguments(host, options))


def ask(name: str, asked: str, arguments: Sequence[str], extra: Sequence[str]) -> SshConfig:
    """Ask `ssh -G` about asked, and understand the answer. name is for messages."""
    if asked.startswith("-") or not asked or not asked.isprintable() or re.search(r"\s|\{\{", asked):
        raise InventoryError(f"{asked!r} is not a host name", host=name, place="ansible_host")
    if alike(asked, extra):
        # Where ssh refuses, it is asked again by the host's own name, for the message.
        with suppress(InventoryError):
            return _for_any(name, tuple(arguments), tuple(extra)).renamed(asked)
    return parse(_answer(name, asked, arguments, extra), asked, arguments, extra)


def _for_any(name: str, arguments: tuple[str, ...], extra: tuple[str, ...]) -> _Nobody:
    """Return the way to NOBODY; many threads wait for one answer."""
    key = (arguments, extra, files_asked(extra))
    with _ONE_ASKS:
        if key not in _ANSWERS:
            answer = _answer(name, NOBODY, arguments, extra)
            _ANSWERS[key] = _Nobody(parse(answer, NOBODY, arguments, extra))
        return _ANSWERS[key]


class _Nobody:
    """The way to NOBODY, and where in it the name stands."""

    def __init__(self, config: SshConfig) -> None:
        self.config = config
        values = {each.name: getattr(config, each.name) for each in fields(config) if each.name != "stated"}
        self.named = {name: value for name, value in values.items() if NOBODY in repr(value)}
        self.stated = {key: value for key, value in config.stated.items() if NOBODY in repr(value)}

    def renamed(self, asked: str) -> SshConfig:
        """Return the way to NOBODY as the way to asked."""

        def own(value: Any) -> Any:
            if isinstance(value, str):
                return value.replace(NOBODY, asked)
            if isinstance(value, tuple):
                return tuple(own(each) for each in value)
            return Path(own(str(value))) if isinstance(value, Path) else value

        named = {name: own(value) for name, value in self.named.items()}
        stated = {**self.config.stated, **{key: own(value) for key, value in self.stated.items()}}
        return replace(self.config, **named, stated=stated)


def _answer(name: str, asked: str, arguments: Sequence[str], extra: Sequence[str]) -> str:
    """Return what `ssh -G` prints about asked. Raise InventoryError if it refuses."""
    command = ["ssh", "-G", *arguments, *extra, "--", asked]
    try:
        answer = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=30, check=False
        )
    except FileNotFoundError as error:
        raise UnreachableError(
            "the OpenSSH client is not installed here", host=name, next_step="install openssh-client"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise UnreachableError("`ssh -G` doesn't answer", host=name, place="ssh_config") from error
    if answer.returncode:
        said = [line for line in answer.stderr.decode(errors="replace").splitlines() if line.strip()]
        raise InventoryError(
            f"ssh can't use this configuration: {said[0] if said else 'no reason given'}",
            host=name,
            place="ssh_config or ansible_ssh_*_args",
            next_step=f"try `{shlex.join(command)}`",
        )
    return answer.stdout.decode(errors="replace")
