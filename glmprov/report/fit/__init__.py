"""Whether a recipe fits, with the arithmetic: as text and as data."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from glmprov.errors import ExitCode
from glmprov.fit import Fit, Mark, Term
from glmprov.fit.constants import GIB, constants

if TYPE_CHECKING:
    from glmprov.recipe.model import Recipe

_WIDTH = 110


def fit_text(recipe: Recipe, form: str, found: Fit, card: str, splits: Sequence[Fit] = ()) -> str:
    """Return the verdict on cards that somebody named. form: "corrected" or "as published"."""
    return "\n".join(
        (
            *head(recipe, form, found),
            "",
            f"each of {found.gpus or found.asked.layout.gpus} × {card}",
            *arithmetic(found),
            "",
            *verdict(found),
            *_splits(splits, found.gpus),
        )
    )


def head(recipe: Recipe, form: str, found: Fit) -> Iterator[str]:
    """Yield what is held against the cards."""
    asked = found.asked
    yield f"{recipe.name}  {recipe.title}, {form}"
    yield (
        f"  {found.model.id} ({found.model.quantization}) on {asked.engine} {asked.version or '(release unknown)'}, "
        f"{asked.layout.text}, KV cache {asked.kv_type}" + (", MTP" if asked.mtp else "")
    )


def fit_document(
    recipe: Recipe, form: str, found: Fit, card: str, splits: Sequence[Fit], code: ExitCode
) -> str:
    """Return the verdict as JSON, schema glmprov/fit/1. hosts is empty: none was reached."""
    body = {
        "schema": "glmprov/fit/1",
        "exit_code": int(code),
        "recipe": recipe.name,
        "form": form,
        "hosts": [],
        "gpus": found.gpus,
        "card": card,
        "fit": fit_data(found),
        "splits": [
            {
                "split": each.asked.layout.text,
                "context_tokens": each.context_tokens,
                "reasons": list(each.reasons),
            }
            for each in splits
        ],
    }
    return json.dumps(body, indent=2, ensure_ascii=False)


def arithmetic(found: Fit) -> Iterator[str]:
    """Yield the terms of one GPU, the pool that they leave, and what that is in tokens."""
    left = found.pool
    names = max(len(term.name) for term in left.terms)
    formulas = max(len(term.formula) for term in left.terms)
    for position, term in enumerate(left.terms):
        yield _term(term, position == 0, names, formulas)
    yield f"  = {left.bytes / GIB:7.2f} GiB  KV pool"
    yield f"  ÷ {left.token_bytes:,.0f} B a token = {left.token_formula}"
    fitted = f"{left.low_tokens:,} to {left.high_tokens:,} by the range of what is fitted"
    yield f"  = {left.tokens:,} tokens ({fitted})"


def _term(term: Term, first: bool, names: int, formulas: int) -> str:
    sign = " " if first else "−"
    mark = f"  [{term.mark}]" if term.mark else ""
    return f"  {sign} {abs(term.bytes) / GIB:7.2f} GiB  {term.name:<{names}}  {term.formula:<{formulas}}{mark}".rstrip()


def verdict(found: Fit) -> Iterator[str]:
    """Yield whether it fits, why not, and what a person should know."""
    if found.fits:
        span = f"{found.low_tokens:,} to {found.high_tokens:,}"
        sure = "" if found.low_tokens == found.high_tokens else f" ({span} by the range of what is fitted)"
        yield f"fits: prompts of up to {found.context_tokens:,} tokens{sure}"
    else:
        yield "doesn't fit:"
        for reason in found.reasons:
            yield from _folded("  ", reason)
    for note in found.notes:
        yield from _folded("note: ", note)
    kept = constants().engines[found.asked.engine].overhead
    if any(term.mark is Mark.FITTED for term in found.pool.terms):
        yield from _folded(
            "fitted: ", f"{kept.what}, so that this comes out: {kept.evidence} ({kept.source})"
        )


def _splits(splits: Sequence[Fit], gpus: int | None) -> Iterator[str]:
    if len(splits) < 2:
        return
    yield ""
    yield f"splits of {gpus} GPUs, with the same settings:"
    width = max(len(each.asked.layout.text) for each in splits)
    for each in splits:
        said = f"a KV pool of {each.pool.tokens:,} tokens a replica" if each.fits else each.reasons[0]
        yield from _folded(f"  {each.asked.layout.text:<{width}}  ", said)


def _folded(lead: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=lead, subsequent_indent=" " * len(lead), break_long_words=False
    ) or [lead]


def fit_data(found: Fit) -> dict[str, Any]:
    """Return a verdict for programs: all sizes in bytes, a GPU's terms signed."""
    asked, left = found.asked, found.pool
    layout = asked.layout
    return {
        "fits": found.fits,
        "model": found.model.id,
        "engine": asked.engine,
        "version": asked.version or None,
        "split": {
            "tp": asked.layout.tensor,
            "pp": asked.layout.pipeline,
            "dp": asked.layout.data,
            "ep": asked.layout.expert,
        },
        "gpus_needed": layout.gpus,
        "terms": [
            {
                "name": term.name,
                "bytes": round(term.bytes),
                "formula": term.formula,
                "mark": term.mark.value or "exact",
                "source": term.source,
            }
            for term in left.terms
        ],
        "kv_pool_bytes": round(left.bytes),
        "kv_token_bytes": left.token_bytes,
        "kv_pool_tokens": {"value": left.tokens, "low": left.low_tokens, "high": left.high_tokens},
        "context_tokens": {"value": found.context_tokens, "low": found.low_tokens, "high": found.high_tokens},
        "wanted_tokens": found.wanted_tokens,
        "reasons": list(found.reasons),
        "notes": list(found.notes),
    }
