"""Ranges of releases. Pure."""

from __future__ import annotations


def in_range(version: str, range_: str) -> bool:
    """Return whether a version is in a range, ">=0.32, <0.33"; "any" holds all. Releases of every kind count."""
    if range_ == "any":
        return True
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(range_).contains(version, prereleases=True)


def is_release(version: str) -> bool:
    """Return whether a version is one that has an order, as "main" hasn't."""
    from packaging.version import InvalidVersion, Version

    try:
        Version(version)
    except InvalidVersion:
        return False
    return True
