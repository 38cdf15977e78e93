"""A host's budget in watts: the cap of each card lowered evenly, within what each card takes. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """What one card may be given: between lowest and highest watts. A card that can't be lowered has both equal."""

    lowest: int
    highest: int
    what: str = ""


def level(shares: Collection[Share], budget_watts: int) -> int | None:
    """Return the highest watts that every share, held to its bounds, may have within the budget.

    None: not even the least that the cards take is within it.
    """
    if least(shares) > budget_watts:
        return None
    low, high = 0, max((share.highest for share in shares), default=0)
    while low < high:
        middle = (low + high + 1) // 2
        if sum(held(share, middle) for share in shares) <= budget_watts:
            low = middle
        else:
            high = middle - 1
    return low


def least(shares: Collection[Share]) -> int:
    """Return the watts below which these shares can't be brought."""
    return sum(share.lowest for share in shares)


def held(share: Share, watts: int) -> int:
    """Return the watts within the share's bounds."""
    return max(share.lowest, min(share.highest, watts))


def arithmetic(watts: Mapping[str, tuple[int, str]]) -> str:
    """Given watts and words by card, return the sum as it is reckoned: "4 × 300 W (at least) + 600 W = 1800 W"."""
    counted = Counter(watts.values())
    terms = [
        f"{f'{count} × ' if count > 1 else ''}{each} W{f' ({words})' if words else ''}"
        for (each, words), count in counted.items()
    ]
    return f"{' + '.join(terms)} = {sum(each for each, _ in watts.values())} W"
