"""Which of two releases is newer, as far as engines number theirs. Pure."""

from __future__ import annotations

import re


def at_least(version: str, first: str) -> bool:
    """Return whether a release is first or newer. "" is a release that nobody knows, taken as the newest."""
    return not version or _numbers(version) >= _numbers(first)


def _numbers(version: str) -> tuple[int, ...]:
    """Return "0.5.5.post3" as (0, 5, 5, 3). A release candidate counts as its release."""
    plain = re.sub(r"(rc|a|b|dev).*", "", version.partition("+")[0])
    return tuple(int(digits) for digits in re.findall(r"\d+", plain))
