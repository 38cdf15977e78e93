"""Bytes, for people."""

from __future__ import annotations

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def in_words(size_bytes: float) -> str:
    """Return a size in decimal units, as disks and registries count: "13.8 MB"."""
    size, unit = size_bytes, 0
    while abs(size) >= 999.5 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.0f} {_UNITS[unit]}" if unit == 0 or abs(size) >= 99.95 else f"{size:.1f} {_UNITS[unit]}"
