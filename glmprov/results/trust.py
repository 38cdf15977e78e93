"""What `host trust` found and wrote."""

from __future__ import annotations

from dataclasses import dataclass

from glmprov.errors import GlmprovError


@dataclass(frozen=True)
class TrustedKey:
    """A host key that known_hosts holds; added: it was written now."""

    name: str
    kind: str
    fingerprint: str
    file: str
    added: bool


@dataclass(frozen=True)
class HostTrust:
    """The keys of a host and of the jump hosts on the way to it, or why they could not be trusted."""

    host: str
    keys: tuple[TrustedKey, ...] = ()
    error: GlmprovError | None = None
