"""known_hosts as OpenSSH reads it: plain, hashed and pattern names, ports, markers; and how a key is added."""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from glmprov.errors import HostKeyError
from glmprov.made_once import made_once

HASH_MAGIC = "|1|"


@dataclass(frozen=True)
class Line:
    """One key of a known_hosts file. marker is "", "@cert-authority" or "@revoked"; names as written."""

    file: Path
    number: int
    marker: str
    names: str
    kind: str
    key: str

    @property
    def place(self) -> str:
        """file:line."""
        return f"{self.file}:{self.number}"

    def speaks_of(self, name: str) -> bool:
        """Return whether this line is about name ("host" or "[host]:port", in lower case)."""
        if self.names.startswith(HASH_MAGIC):
            return _is_hash_of(self.names, name)
        patterns = self.names.lower().split(",")
        if any(p.startswith("!") and _matches(name, p[1:]) for p in patterns):
            return False
        return any(_matches(name, pattern) for pattern in patterns if not pattern.startswith("!"))


def look_up(files: Iterable[Path], name: str) -> tuple[Line, ...]:
    """Return what the files hold about name, in their order. A file that isn't there holds nothing."""
    return tuple(line for file in files for line in _lines_about(file, name))


def _lines_about(file: Path, name: str) -> list[Line]:
    """Return a file's lines about name. It is read once as long as it doesn't change: many hosts ask for the same."""
    try:
        stat = file.stat()
    except OSError:
        return []
    plain, others = _parsed(file, stat.st_mtime_ns, stat.st_size)
    found = [*plain.get(name, ()), *(line for line in others if line.speaks_of(name))]
    return sorted(found, key=lambda line: line.number)


@made_once(maxsize=16)
def _parsed(file: Path, _changed_ns: int, _size_bytes: int) -> tuple[dict[str, list[Line]], list[Line]]:
    """Return the lines of a file by name, and those with patterns or hashes, which have to be tried."""
    plain: dict[str, list[Line]] = {}
    others: list[Line] = []
    for line in parse(file.read_text(errors="replace"), file):
        if line.names.startswith(HASH_MAGIC) or any(sign in line.names for sign in "*?!"):
            others.append(line)
        else:
            for name in dict.fromkeys(line.names.lower().split(",")):
                plain.setdefault(name, []).append(line)
    return plain, others


def parse(text: str, file: Path) -> list[Line]:
    """Return the keys in text; comments, and lines that OpenSSH too would skip, are left out."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) >= 3 and not words[0].startswith("#"):
            found.append(Line(file, number, marker, words[0], words[1], words[2]))
    return found


def check(files: Sequence[Path], name: str, kind: str, key: str, *, host: str) -> None:
    """Compare the key that a host shows with what is known. kind and key are as in known_hosts.

    Raise HostKeyError if the key is unknown, has changed, or is revoked.
    """
    trust = f"glmprov host trust {host}"
    known = look_up(files, name)
    revoked = next((line for line in known if line.marker == "@revoked" and line.key == key), None)
    if revoked:
        raise HostKeyError("the host shows a key that is revoked", host=host, place=revoked.place)
    plain = [line for line in known if not line.marker]
    if any(line.key == key and line.kind == kind for line in plain):
        return
    changed = next((line for line in plain if line.kind == kind), None)
    if changed:
        raise HostKeyError(
            f"the host key has changed; {changed.place} holds another one. Someone may be in between",
            host=host,
            place=changed.place,
            next_step=f"if the host was reinstalled: {trust} --replace",
        )
    # As OpenSSH does: a key known under the bare name counts for another port too, but never as "changed".
    if name.startswith("[") and any(
        line.key == key and not line.marker for line in look_up(files, name[1 : name.rindex("]")])
    ):
        return
    others = f" ({plain[0].place} holds a key of another kind)" if plain else ""
    raise HostKeyError(f"the host key of {name} is unknown{others}", host=host, next_step=trust)


def fingerprint(key: str) -> str:
    """Return a key's fingerprint as OpenSSH shows it: SHA256 and base64 without padding."""
    digest = hashlib.sha256(base64.b64decode(key)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def hashed(name: str) -> str:
    """Return name hashed with fresh salt, as HashKnownHosts writes it."""
    salt = os.urandom(20)
    digest = hmac.digest(salt, name.encode(), "sha1")
    return f"{HASH_MAGIC}{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


def without(text: str, name: str) -> str:
    """Return text without what it says about name alone; a line about other names too keeps those.

    Patterns and lines with a marker stay: they were written by hand for more than one host.
    """
    kept = []
    for line in text.splitlines(keepends=True):
        words = line.split(None, 1)
        names = words[0].split(",") if words else []
        if not names or words[0].startswith(("#", "@")):
            kept.append(line)
        elif words[0].startswith(HASH_MAGIC):
            kept += [] if _is_hash_of(words[0], name) else [line]
        else:
            left = [part for part in names if part.lower() != name]
            kept += [line] if left == names else [f"{','.join(left)} {words[1]}"] if left else []
    return "".join(kept)


def _matches(name: str, pattern: str) -> bool:
    """Match with * and ? only: brackets are literal, they hold the port."""
    return fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))


@lru_cache(maxsize=100_000)
def _is_hash_of(names: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part) for part in names[len(HASH_MAGIC) :].split("|"))
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(hmac.digest(salt, name.encode(), "sha1"), digest)
