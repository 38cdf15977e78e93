"""What `ssh` prints when it can't connect, understood."""

from __future__ import annotations

import re

from glmprov.errors import GlmprovError, HostKeyError, UnreachableError
from glmprov.remote.config import SshConfig

TOO_MANY_KEYS = (
    "the server gave up before the right key's turn: name it with IdentityFile and `IdentitiesOnly yes` in ssh_config, "
    "or take the others out of the agent (ssh-add -D)"
)

FAILURES = (
    (r"Too many authentication failures", "the login as {user} is refused: {last}", TOO_MANY_KEYS),
    (
        r"Permission denied|No more authentication methods",
        "the login as {user} is refused: {last}",
        "check the user (-u) and the key (--private-key), or try `ssh -l {user} -p {port} {asked}`",
    ),
    (
        r"Could not resolve hostname|Name or service not known",
        "the name {hostname} can't be resolved",
        "check ansible_host, or the name's spelling",
    ),
    (
        r"Connection refused",
        "{hostname} port {port} refuses connections",
        "check that sshd runs there, and ansible_port",
    ),
    (
        r"timed out|No route to host|Network is unreachable",
        "{hostname} port {port} doesn't answer: {last}",
        "check that the host is up and the network lets you through",
    ),
    (
        r"Unable to negotiate",
        "no common algorithm: {last}",
        "compare `ssh -G {asked}` with what the server offers",
    ),
)
"""What ssh prints when it can't connect, what it means and what to do; the first that matches counts."""


def explain(said: str, config: SshConfig, name: str) -> GlmprovError:
    """Return what ssh printed on failing as an error that a person can act on."""
    trust = f"glmprov host trust {name}"
    changed = re.search(r"Offending \S+ key in (\S+):(\d+)", said)
    if "IDENTIFICATION HAS CHANGED" in said and changed:
        return HostKeyError(
            f"the host key has changed; {changed[1]}:{changed[2]} holds another one. Someone may be in between",
            host=name,
            place=f"{changed[1]}:{changed[2]}",
            next_step=f"if the host was reinstalled: {trust} --replace",
        )
    unknown = re.search(r"No (\S+) host key is known for (\S+) and", said)
    if unknown:
        return HostKeyError(f"the host key of {unknown[2]} is unknown", host=name, next_step=trust)
    if "revoked" in said.lower():
        return HostKeyError("the host shows a key that is revoked", host=name)
    if "Host key verification failed" in said:
        # Our own end is strict and says more than this; a jump host's end only says so much.
        return HostKeyError(
            f"a jump host on the way ({config.one('proxyjump')}) is unknown, or its key has changed",
            host=name,
            place="ProxyJump",
            next_step=trust,
        )
    words = {
        "user": config.user, "port": config.port, "asked": config.asked,
        "hostname": config.hostname, "last": _last_line(said),
    }  # fmt: skip
    for pattern, message, next_step in FAILURES:
        if re.search(pattern, said):
            return UnreachableError(message.format(**words), host=name, next_step=next_step.format(**words))
    return UnreachableError(
        f"ssh failed: {_last_line(said)}", host=name, next_step=f"try `ssh -v {config.asked}`"
    )


def _last_line(said: str) -> str:
    """Return the last line of ssh's that says something, without its own name in front."""
    lines = [line.strip().removeprefix("ssh: ") for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
