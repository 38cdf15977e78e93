"""The card that somebody names. Pure."""

from __future__ import annotations

from difflib import get_close_matches

from glmprov import catalog
from glmprov.errors import UsageError
from glmprov.fit.terms import Card


def card_named(text: str) -> tuple[str, Card]:
    """Given NVML's name or an edition's, in any case, return the name and what an engine has of such a card.

    "" is any edition, as long as all have the same memory. Raise UsageError with the nearest name.
    """
    cards = catalog.load().cards
    if not text and len({card.usable_bytes for card in cards}) == 1:
        names = ", ".join(card.edition for card in cards)
        return f"RTX PRO 6000 Blackwell ({names})", Card(cards[0].usable_bytes, "the catalog, any edition")
    by_name = {name.casefold(): card for card in cards for name in _names(card)}
    found = by_name.get(text.casefold())
    if found is None:
        near = get_close_matches(text.casefold(), by_name, 1, 0.4)
        known = ", ".join(card.edition for card in cards)
        raise UsageError(
            f"--card {text}: the catalog has no such card",
            next_step=f'did you mean "{by_name[near[0]].name}"?' if near else f"known editions: {known}",
        )
    return found.name, Card(found.usable_bytes, f"{found.edition}, by the catalog")


def _names(card: catalog.Card) -> tuple[str, ...]:
    """Return what people call a card: its name, without the maker, without the word edition, the edition alone."""
    short = card.name.removeprefix("NVIDIA ")
    return card.name, short, short.removesuffix(" Edition"), card.edition, f"{card.edition} Edition"
