"""Becoming root: what inventory and command line say about it, and what sudo means when it refuses."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from glmprov.errors import BecomeError
from glmprov.inventory import Host
from glmprov.remote import ConnectOptions
from glmprov.secret import Secret, reveal

DEFAULT_FLAGS = ("-H",)
"""Ansible's default is `-H -S -n`; -S and -n follow here from whether there is a password."""

TRUE_WORDS = {"1", "true", "yes", "on", "y", "t"}

REFUSALS = (
    (
        r"must have a tty|no tty present",
        "sudo wants a terminal (requiretty)",
        "remove requiretty for this user from sudoers",
    ),
    (
        r"not in the sudoers file|not allowed to (execute|run)|may not run sudo",
        "this user may not become root with sudo",
        "give the user a sudoers entry, or connect as another user with -u",
    ),
    (
        r"not found|No such file",
        "sudo is not installed",
        "install sudo on the host, or connect as root with -u root",
    ),
    (
        r"a password is required",
        "sudo asks for a password and there is none",
        "give it with -K, or set ansible_become_password in the inventory (best in a vault)",
    ),
    (
        r"account.*(expired|validation failure)|password.*expired",
        "the account or its password has expired",
        "renew the account on the host",
    ),
    (
        r"incorrect password|try again|no password was provided",
        "the sudo password is wrong",
        "check ansible_become_password, or give the right one with -K",
    ),
)
"""What sudo prints (in the C locale) and what it means; the first that matches counts."""


@dataclass(frozen=True)
class Become:
    """A way to root by sudo. password None: sudo must not ask."""

    program: str = "sudo"
    flags: tuple[str, ...] = DEFAULT_FLAGS
    password: Secret | None = None


def wanted(host: Host, options: ConnectOptions) -> bool:
    """Return whether inventory (first) or command line ask to become root on this host."""
    said = host.variables.get("ansible_become")
    return options.become if said is None else truth(said)


def way_to_root(host: Host, options: ConnectOptions) -> Become:
    """Return how to become root on host.

    Raise BecomeError if nothing asks for it, or asks for what glmprov can't do: another method than sudo, or
    another user than root.
    """
    variables = host.variables
    if not wanted(host, options):
        raise BecomeError(
            "this needs root, and the login isn't root",
            host=host.name,
            next_step="add -b, or set ansible_become: true in the inventory, or connect as root with -u root",
        )
    method = reveal(variables.get("ansible_become_method", "sudo")).removeprefix("ansible.builtin.")
    if method != "sudo":
        raise BecomeError(
            f"becomes root only with sudo, not with {method}",
            host=host.name,
            place="ansible_become_method",
            next_step="set ansible_become_method: sudo, or connect as root with -u root",
        )
    user = reveal(first(variables, "ansible_become_user", "ansible_sudo_user") or "root")
    if user != "root":
        raise BecomeError(
            f"needs root, and the inventory says to become {user}",
            host=host.name,
            place="ansible_become_user",
            next_step="remove ansible_become_user, or set it to root",
        )
    said = first(variables, "ansible_become_password", "ansible_become_pass", "ansible_sudo_pass")
    program = reveal(first(variables, "ansible_become_exe", "ansible_sudo_exe") or "sudo")
    flags = first(variables, "ansible_become_flags", "ansible_sudo_flags")
    return Become(
        program=program,
        flags=DEFAULT_FLAGS if flags is None else _without_dialog(shlex.split(reveal(flags))),
        password=options.become_password if said is None else Secret(reveal(said)),
    )


def explain_refusal(talk: str, program: str, *, answered: bool, asked_again: bool) -> tuple[str, str]:
    """Return (what is wrong, what to do), from what sudo printed before it gave up."""
    if asked_again:
        talk += "\nSorry, try again."
    for pattern, message, next_step in REFUSALS:
        if re.search(pattern, talk, re.IGNORECASE):
            return message.replace("sudo", program, 1), next_step
    if answered and not talk.strip():
        return "the sudo password is wrong", "check ansible_become_password, or give the right one with -K"
    last = next((line.strip() for line in reversed(talk.splitlines()) if line.strip()), "no reason given")
    return f"can't become root: {last}", f"log in by hand and try `{program} true`"


def first(variables: Mapping[str, Any], *names: str) -> Any:
    """Return the first of the variables that is set, else None."""
    return next((variables[name] for name in names if variables.get(name) is not None), None)


def truth(value: object) -> bool:
    """Return value as Ansible reads a boolean."""
    return value if isinstance(value, bool) else reveal(value).strip().lower() in TRUE_WORDS


def _without_dialog(flags: list[str]) -> tuple[str, ...]:
    """Drop -S and -n, also from a bundle as -HSn: they follow from whether there is a password."""
    kept: list[str] = []
    for flag in flags:
        if re.fullmatch(r"-[A-Za-z]+", flag):
            letters = flag[1:].replace("S", "").replace("n", "")
            kept += [f"-{letters}"] if letters else []
        elif flag not in {"--stdin", "--non-interactive"}:
            kept.append(flag)
    return tuple(kept)
