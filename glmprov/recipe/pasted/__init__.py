"""What people paste → what it launches: shell lines, a compose file, a systemd unit. Pure."""

from __future__ import annotations

import re

from glmprov.recipe.command import Pasted
from glmprov.recipe.pasted.compose import from_compose, is_compose
from glmprov.recipe.pasted.script import from_script
from glmprov.recipe.pasted.unit import from_unit

__all__ = ["Pasted", "from_text"]


def from_text(text: str, place: str) -> Pasted:
    """Given a pasted text, return what it launches, with notes on what was left out. place is what errors call it.

    Raise RecipeError if it launches nothing that we know, or more than one thing.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if re.search(r"^\s*\[Service\]\s*$", text, re.MULTILINE):
        return from_unit(text, place)
    if is_compose(text):
        return from_compose(text, place)
    return from_script(text, place)
