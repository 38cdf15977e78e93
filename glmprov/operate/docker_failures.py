"""What Docker says when it can't, understood."""

from __future__ import annotations

import re

from glmprov.errors import ApplyError, FetchError, GlmprovError
from glmprov.operate.asking import Fault

REFUSALS = (
    (
        r"no space left on device",
        "the disk is full: {said}",
        "make room where Docker keeps images (`docker system df`, `glmprov prune`)",
    ),
    (
        r"verification failed|unexpected digest|digest mismatch|failed to verify|does not match.*digest",
        "what came isn't what the digest says: {said}",
        "look at what stands between the host and the registry: a mirror or a proxy changes it",
    ),
    (
        r"toomanyrequests|rate limit",
        "the registry has had enough of this host's questions: {said}",
        "log in on the host (`sudo docker login`), use a mirror, or try later",
    ),
    (
        r"unauthorized|authentication required|no basic auth|access.*denied|denied:",
        "the registry doesn't give {name} to this host: {said}",
        "check the name; if it is private, `sudo docker login` on the host",
    ),
    (
        r"manifest unknown|manifest for .* not found|not found: manifest|name unknown|repository .* not found",
        "the registry has no {name}",
        "check name and tag; a tag that moves may be gone",
    ),
    (
        r"connection refused|no such host|i/o timeout|deadline exceeded|no route to host|network is unreachable"
        r"|\bEOF\b|server misbehaving|\bx509\b|\btls\b|proxyconnect|unexpected HTTP status|\b50[0-4]\b",
        "the registry can't be asked: {said}",
        "see whether the host reaches it (`curl -I https://REGISTRY/v2/`), and Docker's proxy and mirrors",
    ),
    (
        r"conflict: .*(being used|is using)|image is being used|image is referenced",
        "{name} is in use: {said}",
        "remove what uses it first",
    ),
)
"""What the daemon says (its own and the registry's words), what it means, what to do; the first that matches counts."""

DAEMON = {
    "daemon-down": (
        "Docker doesn't answer: {said}",
        "systemctl status docker on the host; `glmprov provision` sees to a working Docker",
    ),
    "daemon-silent": ("Docker fell silent: {said}", "journalctl -u docker on the host says why"),
    "daemon-refuses": (
        "Docker's socket {said} is closed to this user",
        "become root (ansible_become: true, or -b)",
    ),
    "daemon-elsewhere": (
        "DOCKER_HOST names {said}, and only a socket of the host's own is spoken to",
        "unset DOCKER_HOST for this user, or point it to unix://…",
    ),
}
"""Faults of the daemon itself, by kind."""


def explain(fault: Fault, host: str, name: str) -> GlmprovError:
    """Return what Docker answered as an error that a person can act on. name: what it was asked about."""
    words = {"said": fault.text, "name": name}
    if fault.kind in DAEMON:
        message, next_step = DAEMON[fault.kind]
        return ApplyError(message.format(**words), host=host, place="docker", next_step=next_step)
    for pattern, message, next_step in REFUSALS:
        if re.search(pattern, fault.text, re.IGNORECASE):
            return FetchError(message.format(**words), host=host, place=name or None, next_step=next_step)
    return FetchError(f"Docker refuses: {fault.text}", host=host, place=name or None)
