"""Fingerprints of OpenPGP public keys, read without gpg: a bare host has none."""

from __future__ import annotations

import base64
import binascii
import hashlib

PUBLIC_KEY = 6
"""The packet that begins a public key (RFC 9580, section 10.1). Subkeys are packets of type 14."""


class NotAKeyError(ValueError):
    """The bytes aren't OpenPGP public keys."""


def primary_fingerprints(data):
    """Given a key file, armored or binary, return the fingerprints of its primary keys, as upper-case hex.

    A version 4 fingerprint is the SHA-1 of the octet 0x99, the body's length and the body (RFC 9580, section
    5.5.4.2). Raise NotAKeyError if data isn't a key file.
    """
    fingerprints = []
    for tag, body in _packets(_binary(data)):
        if tag != PUBLIC_KEY:
            continue
        if body[:1] != b"\x04":
            raise NotAKeyError(f"a key of version {body[0] if body else '?'}, only version 4 is understood")
        digest = hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body, usedforsecurity=False)
        fingerprints.append(digest.hexdigest().upper())
    if not fingerprints:
        raise NotAKeyError("no public key in it")
    return fingerprints


def _binary(data):
    if b"-----BEGIN PGP" not in data:
        return data
    blocks, lines, inside = [], [], False
    for line in data.decode("ascii", "replace").splitlines():
        line = line.strip()
        if line == "-----BEGIN PGP PUBLIC KEY BLOCK-----":
            lines, inside = [], True
        elif line == "-----END PGP PUBLIC KEY BLOCK-----":
            blocks.append("".join(lines))
            inside = False
        elif inside and ":" not in line and not line.startswith("="):
            lines.append(line)
    try:
        return b"".join(base64.b64decode(block, validate=True) for block in blocks)
    except binascii.Error as error:
        raise NotAKeyError(f"damaged armor: {error}") from None


def _packets(data):
    """Yield (tag, body) of each packet, in both header formats (RFC 9580, section 4.2)."""
    at = 0
    while at < len(data):
        head = data[at]
        if not head & 0x80:
            raise NotAKeyError("not OpenPGP data")
        try:
            tag, start, length = (_new if head & 0x40 else _old)(data, at)
        except IndexError:
            raise NotAKeyError("cut short") from None
        if start + length > len(data):
            raise NotAKeyError("cut short")
        yield tag, data[start : start + length]
        at = start + length


def _new(data, at):
    first = data[at + 1]
    if first < 192:
        return data[at] & 0x3F, at + 2, first
    if first < 224:
        return data[at] & 0x3F, at + 3, ((first - 192) << 8) + data[at + 2] + 192
    if first < 255:
        raise NotAKeyError("a packet of partial length")
    data[at + 5]
    return data[at] & 0x3F, at + 6, int.from_bytes(data[at + 2 : at + 6], "big")


def _old(data, at):
    size = 1 << (data[at] & 3)
    if size == 8:
        raise NotAKeyError("a packet of indeterminate length")
    data[at + size]
    return (data[at] >> 2) & 15, at + 1 + size, int.from_bytes(data[at + 1 : at + 1 + size], "big")
