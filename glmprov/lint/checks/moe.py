"""Rules about the tuned file of the fused-MoE kernel."""

from __future__ import annotations

from collections.abc import Iterator

from glmprov.engines.moe_tiles import Outlook, available_bytes, outlook, tuned_tiles
from glmprov.lint.finding import Answer, unknown
from glmprov.lint.situation import Situation


def fused_moe_default_tile(situation: Situation) -> Iterator[Answer]:
    """Without a tuned file, the default tile must fit the card's shared memory."""
    yield from _judged(situation, crashes=True)


def fused_moe_untuned(situation: Situation) -> Iterator[Answer]:
    """Without a tuned file, it starts slowly at best."""
    yield from _judged(situation, crashes=False)


def moe_config_unusable(situation: Situation) -> Iterator[Answer]:
    """A tuned file of one's own must be one, and each of its tiles must fit the card."""
    text, model = situation.target.moe_config, situation.target.model
    if text is None:
        return
    try:
        tiles = tuned_tiles(text)
    except ValueError as error:
        yield Answer(True, values={"what": str(error)})
        return
    size = 2 if model is not None and model.quantization == "none" else 1
    largest = max((tile.shared_memory_bytes(size) for tile in tiles), default=0)
    if largest > available_bytes():
        what = f"a tile of it wants {largest:,} B of shared memory, the card has {available_bytes():,} B"
        yield Answer(True, values={"what": what})


def _judged(situation: Situation, *, crashes: bool) -> Iterator[Answer]:
    if situation.recipe.moe_config is not None or situation.own_launcher:
        return
    model = situation.target.model
    if model is None:
        yield unknown(f"{situation.model} isn't in the catalogue of models")
        return
    if not situation.version:
        yield unknown("nobody knows which release it is, so neither the file's name nor the default tile")
        return
    met: dict[int | None, list[Outlook]] = {}
    for device in situation.cards:
        try:
            found = outlook(situation.launch, model, device, situation.moe_configs)
        except ValueError:  # a size that is no number: flag-value says so
            return
        if found is not None and found.found is None and found.crashes in (None, crashes):
            met.setdefault(found.wanted, []).append(found)
    for outlooks in met.values():
        yield _answer(situation, outlooks)


def _answer(situation: Situation, met: list[Outlook]) -> Answer:
    """Answer for cards with the same outlook: the first one's file speaks for all."""
    first, others = met[0], len(met) - 1
    if first.wanted is None:
        return unknown(f"nobody has read which tile {situation.launch.engine} {situation.version} takes")
    values = {
        "file": first.name,
        "also": f" (nor for {others} other edition{'s' * (others > 1)})" if others else "",
        "wanted": f"{first.wanted:,}",
        "available": f"{first.available:,}",
        "tokens": first.from_tokens - 1,
    }
    return Answer(True, values=values)
