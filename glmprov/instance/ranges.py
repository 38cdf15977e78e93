"""Numbers of CPUs and NUMA nodes as Linux writes them. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def ranges(numbers: Iterable[int]) -> str:
    """Return numbers as a list of ranges: 0, 1, 2, 5 → "0-2,5"."""
    groups: list[list[int]] = []
    for number in sorted(set(numbers)):
        if groups and number == groups[-1][1] + 1:
            groups[-1][1] = number
        else:
            groups.append([number, number])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in groups)
