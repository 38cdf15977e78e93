"""Rules about what fits on the cards. The arithmetic is `fit`'s."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from glmprov import catalog
from glmprov.fit import Card, Fit, FitError, asked_by, fit
from glmprov.lint.finding import Answer
from glmprov.lint.situation import Situation


def does_not_fit(situation: Situation) -> Iterator[Answer]:
    """Weights, KV cache and buffers must fit on each card."""
    found = _fit(situation)
    for reason in found.reasons if found is not None else ():
        yield Answer(True, values={"reason": reason})


def pool_below_context(situation: Situation) -> Iterator[Answer]:
    """SGLang starts with a pool smaller than the context, and refuses longer prompts one by one."""
    found = _fit(situation)
    if found is None or not found.fits:
        return
    context = found.asked.context_tokens or found.model.shape.max_positions
    if found.pool.tokens < context:
        whose = "it is set to" if found.asked.context_tokens else "the model's own is"
        values = {"pool": f"{found.pool.tokens:,}", "context": f"{whose} {context:,}"}
        yield Answer(True, values=values)


def _fit(situation: Situation) -> Fit | None:
    """Return the verdict for the card with the least memory. None: what is asked can't be told."""
    known = [card for name in situation.cards if (card := catalog.load().card(name=name)) is not None]
    if situation.target.model is None or not known:
        return None
    smallest = min(known, key=lambda card: card.usable_bytes)
    try:
        asked = asked_by(replace(situation.launch, version=situation.version))
    except FitError:
        return None
    return fit(situation.target.model, asked, Card(smallest.usable_bytes, smallest.name))
