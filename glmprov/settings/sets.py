"""Sets of cards by name, as an operator writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

SETS = "glmprov_sets"
"""The variable. It is of no section: sets are for what runs on the cards."""

WANTS = 'a mapping of name to card UUIDs ({left: ["GPU-…", "GPU-…"]})'
MEANING = (
    "Sets of cards for tensor parallel that you choose, each card in one of them at most. The other cards make sets as "
    "before; `glmprov facts --sets` shows all of them, and why."
)

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_CARD = re.compile(r"GPU-[0-9a-fA-F-]{36}|([0-9a-fA-F]{4,8}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]")


def named_sets(value: Any) -> dict[str, tuple[str, ...]]:
    """Given the variable's value, return the cards of each set. Raise ValueError with every fault, one a line.

    A bus id passes: only who knows the host can say which UUID to write in its place.
    """
    faults = list(_faults(value))
    if faults:
        raise ValueError("\n".join(faults))
    return {name: tuple(cards) for name, cards in (value or {}).items()}


def _faults(value: Any) -> Iterator[str]:
    if value is not None and not isinstance(value, Mapping):
        yield f"wants {WANTS}, got {type(value).__name__}"
        return
    seen: dict[str, str] = {}
    for name, cards in (value or {}).items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            yield f"{name!r} is no name of a set: use small letters, digits, - and _"
        if not isinstance(cards, list | tuple) or not cards:
            yield f"{name}: wants a list of card UUIDs"
            continue
        for card in cards:
            if not isinstance(card, str) or not _CARD.fullmatch(card):
                yield f"{name}: {card!r} is no card's UUID (GPU-…)"
            elif card in seen:
                yield (
                    f"{card} is in {seen[card]} and in {name}"
                    if seen[card] != name
                    else f"{name}: {card} is there twice"
                )
            else:
                seen[card] = str(name)
