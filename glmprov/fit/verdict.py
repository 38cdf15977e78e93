"""Does a launch fit on cards like these, and how much context does it leave? Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from glmprov.catalog.models import Model
from glmprov.fit.asked import Asked
from glmprov.fit.constants import GIB, constants
from glmprov.fit.layout import Layout, faults, splits
from glmprov.fit.memory import Pool, pool
from glmprov.fit.notes import notes
from glmprov.fit.terms import Card, fraction

LARGEST_FRACTION = 0.98
"""We don't advise more: nobody published a run above it on these cards."""


@dataclass(frozen=True)
class Fit:
    """The verdict. reasons say why it doesn't fit; none: it does. gpus is how many there are, None: enough.

    context_tokens is the longest prompt that is admitted, 0 where it wouldn't start; low and high what the range of
    the fitted constant makes of it. wanted_tokens is what somebody asks for.
    """

    model: Model
    asked: Asked
    card: Card
    pool: Pool
    context_tokens: int
    low_tokens: int
    high_tokens: int
    wanted_tokens: int | None = None
    gpus: int | None = None
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether it starts and admits what is wanted."""
        return not self.reasons


def fit(
    model: Model,
    asked: Asked,
    card: Card,
    *,
    gpus: int | None = None,
    wanted_tokens: int | None = None,
    reasons: tuple[str, ...] = (),
) -> Fit:
    """Hold a launch against its GPUs, all alike. reasons are those that are known before: an id that doesn't exist."""
    left = pool(model, asked, card)
    found = Fit(
        model,
        asked,
        card,
        left,
        _admitted(model, asked, left.tokens),
        _admitted(model, asked, left.low_tokens),
        _admitted(model, asked, left.high_tokens),
        wanted_tokens,
        gpus,
    )
    why = (*reasons, *_split_reasons(found), *_memory_reasons(found))
    return replace(found, reasons=why, notes=tuple(notes(model, asked, left)))


def alternatives(found: Fit, gpus: int) -> tuple[Fit, ...]:
    """Return the same launch for every split that fills so many GPUs."""
    return tuple(
        fit(
            found.model,
            replace(found.asked, layout=layout),
            found.card,
            gpus=gpus,
            wanted_tokens=found.wanted_tokens,
        )
        for layout in splits(gpus, found.asked.engine)
    )


def needed_fraction(found: Fit, tokens: int) -> float | None:
    """Return the share of memory with which a pool of so many tokens is there. None: more than we advise."""
    short = tokens * found.pool.token_bytes - found.pool.bytes
    share = fraction(found.asked, found.card) + max(0.0, short) / found.card.usable_bytes
    share = math.ceil(share * 1000) / 1000
    return share if share <= LARGEST_FRACTION else None


def _admitted(model: Model, asked: Asked, tokens: int) -> int:
    kept = constants().engines[asked.engine].kept_back_tokens
    return max(0, min(asked.context_tokens or model.shape.max_positions, tokens) - kept)


def _split_reasons(found: Fit) -> Iterator[str]:
    layout: Layout = found.asked.layout
    if found.gpus is not None and layout.gpus > found.gpus:
        yield f"{layout.text} takes {layout.gpus} GPUs, there are {found.gpus}"
    yield from faults(found.model, layout)


def _memory_reasons(found: Fit) -> Iterator[str]:
    asked, card, left = found.asked, found.card, found.pool
    engine = constants().engines[asked.engine]
    if asked.mtp and found.model.mtp_bytes is None:
        yield f"{found.model.id} has no layer for MTP, which the launch asks for"
    if asked.engine == "vllm":
        share, free = fraction(asked, card), card.usable_bytes - card.used_bytes
        if free < share * card.usable_bytes:
            wants = share * card.usable_bytes / GIB
            yield f"vLLM refuses to start: it wants {wants:.2f} GiB of each card, {free / GIB:.2f} GiB are free"
    limit = asked.context_tokens if asked.context_tokens is not None else found.model.shape.max_positions
    wanted = None if found.wanted_tokens is None else found.wanted_tokens + engine.kept_back_tokens
    needed = max(limit if engine.context_must_fit else 0, wanted or 0, engine.kept_back_tokens + 1)
    if left.tokens <= 0:
        yield f"each GPU is short of {-left.bytes / GIB:.2f} GiB before the first token" + _advice(
            found, needed
        )
    elif engine.context_must_fit and limit > left.tokens:
        size = limit * left.token_bytes / GIB
        yield (
            f"vLLM refuses to start: a context of {limit:,} tokens takes {size:.2f} GiB of each GPU, "
            f"{left.bytes / GIB:.2f} GiB are left ({left.tokens:,} tokens)" + _advice(found, needed)
        )
    elif wanted is not None and 0 < limit < wanted:
        yield f"{found.wanted_tokens:,} tokens are wanted, the context is limited to {limit:,}"
    elif found.wanted_tokens is not None and found.wanted_tokens > found.context_tokens:
        yield (
            f"{found.wanted_tokens:,} tokens are wanted, {found.context_tokens:,} are admitted"
            + _advice(found, needed)
        )


def _advice(found: Fit, tokens: int) -> str:
    share = needed_fraction(found, tokens)
    name = "utilization" if found.asked.engine == "vllm" else "memory fraction"
    return f"; a {name} of {share:g} would do" if share else ""
