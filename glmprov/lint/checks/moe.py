"""Rules about the tuned file of the fused-MoE kernel."""

from __future__ import annotations

from collections.abc import Iterator

from glmprov.engines.moe import Outlook, outlook
from glmprov.lint.finding import Answer, unknown
from glmprov.lint.situation import Situation


def fused_moe_default_tile(situation: Situation) -> Iterator[Answer]:
    """Without a tuned file, the default tile must fit the card's shared memory."""
    yield from _judged(situation, crashes=True)


def fused_moe_untuned(situation: Situation) -> Iterator[Answer]:
    """Without a tuned file, it starts slowly at best."""
    yield from _judged(situation, crashes=False)


def _judged(situation: Situation, *, crashes: bool) -> Iterator[Answer]:
    if situation.recipe.moe_config is not None or situation.own_launcher:
        return
    model = situation.target.model
    if model is None:
        yield unknown(f"{situation.model} isn't in the catalogue of models")
        return
    seen: set[str] = set()
    for device in situation.cards:
        found = outlook(situation.launch, model, device, situation.moe_configs)
        if found is None or found.found is not None or found.name in seen:
            continue
        seen.add(found.name)
        if found.crashes is None or found.crashes == crashes:
            yield _answer(situation, device, found)


def _answer(situation: Situation, device: str, found: Outlook) -> Answer:
    if found.crashes is None:
        return unknown(f"nobody has read which tile {situation.launch.engine} {situation.launch.version} takes")
    values = {
        "file": found.name,
        "wanted": f"{found.wanted:,}",
        "available": f"{found.available:,}",
        "tokens": found.from_tokens - 1,
        "device": device,
    }
    return Answer(True, values=values)
