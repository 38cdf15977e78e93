"""What is recommended for a purpose, both sides of the measurements, and what of it fits: as text and as data."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from glmprov.errors import ExitCode
from glmprov.fit import Fit
from glmprov.fit.suggesting import Kind, Measurement, Offer, Purpose

if TYPE_CHECKING:
    from glmprov.results.fit import HostOffers

_WIDTH = 110
_SIDES = {"for": "speaks for it", "against": "speaks against it"}


def offers_text(
    purpose: Purpose, cards: str, offers: Sequence[Offer], kinds: Sequence[tuple[Kind, Fit]]
) -> str:
    """Return the recommendation over what fits on cards that somebody named."""
    lines = [*_said(purpose), "", f"on {cards}:"]
    width = max((len(offer.recipe.name) for offer in offers), default=0)
    for offer in offers:
        lines += _folded(
            f"  {offer.recipe.name:<{width}}  ", f"{offer.recipe.title}: {_verdict(offer.found)}"
        )
    lines += (
        ["", "with another model in the first of them (nobody published such a recipe):"] if kinds else []
    )
    width = max((len(kind.name) for kind, _ in kinds), default=0)
    for kind, found in kinds:
        lines += _folded(
            f"  {kind.name:<{width}}  ", f"{kind.model}: {_verdict(found)} (weights {found.model.how})"
        )
    best = next((offer for offer in offers if offer.found.fits), None)
    lines += [
        "",
        f"next: glmprov deploy {best.recipe.name}" if best else "nothing that is recommended fits here",
    ]
    return "\n".join(lines)


def hosts_text(purpose: Purpose, results: Sequence[HostOffers]) -> str:
    """Return the recommendation over what fits on each host."""
    lines = list(_said(purpose))
    for result in results:
        lines += ["", result.host]
        if result.error is not None:
            lines += _folded("  ", f"unknown: {result.error}")
        for recipe, found in result.offers:
            seat = found.seat
            if found.strategy is None or seat is None:
                said = f"can't run it: {'; '.join(found.reasons)}"
            else:
                said = f"prompts of up to {seat.alone.context_tokens:,} tokens, {found.strategy}"
            lines += _folded(f"  {recipe.name}  ", f"{recipe.title}: {said}")
    return "\n".join(lines)


def _said(purpose: Purpose) -> Iterator[str]:
    yield from _folded(
        "",
        f"{purpose.name} ({purpose.scenario}): {', '.join(purpose.recommended)}, {purpose.how}; "
        f"to be avoided: {', '.join(purpose.avoid)} ({purpose.source})",
    )
    for side, title in _SIDES.items():
        sided = [each for each in purpose.measurements if each.side == side]
        if sided:
            yield f"what {title}:"
        for each in sided:
            yield from _folded("  ", _measured(each), " " * 4)


def _measured(each: Measurement) -> str:
    values = ", ".join(f"{kind} {value}" for kind, value in each.values.items())
    values = f"{values} {each.unit}".strip()
    who = f"{each.author}, {each.date or 'undated'}, {each.hardware}; {each.source}"
    return f"{each.what}{': ' if values else ''}{values} ({who})" + (f". {each.note}" if each.note else "")


def _verdict(found: Fit) -> str:
    if not found.fits:
        return f"doesn't fit: {found.reasons[0]}"
    return f"fits, prompts of up to {found.context_tokens:,} tokens, a KV pool of {found.pool.tokens:,}"


def _folded(lead: str, text: str, later: str | None = None) -> list[str]:
    indent = " " * len(lead) if later is None else later
    return textwrap.wrap(text, _WIDTH, initial_indent=lead, subsequent_indent=indent, break_long_words=False)


def offers_document(
    purpose: Purpose, cards: str, offers: Sequence[Offer], kinds: Sequence[tuple[Kind, Fit]], code: ExitCode
) -> str:
    """Return the same as JSON, schema glmprov/suggest/1. hosts is empty: none was reached."""
    body = _body(purpose, code) | {
        "hosts": [],
        "cards": cards,
        "recipes": [{"recipe": each.recipe.name, **_short(each.found)} for each in offers],
        "kinds": [{"kind": kind.name, "model": kind.model, **_short(found)} for kind, found in kinds],
    }
    return json.dumps(body, indent=2, ensure_ascii=False)


def hosts_document(purpose: Purpose, results: Sequence[HostOffers], code: ExitCode) -> str:
    """Return the same as JSON, schema glmprov/suggest/1."""
    hosts = [
        {
            "host": result.host,
            "error": None if result.error is None else str(result.error),
            "recipes": [
                {
                    "recipe": recipe.name,
                    "strategy": found.strategy.value if found.strategy else None,
                    "context_tokens": found.seat.alone.context_tokens if found.seat else 0,
                    "reasons": list(found.reasons),
                }
                for recipe, found in result.offers
            ],
        }
        for result in results
    ]
    return json.dumps(_body(purpose, code) | {"hosts": hosts}, indent=2, ensure_ascii=False)


def _short(found: Fit) -> dict[str, Any]:
    return {"fits": found.fits, "context_tokens": found.context_tokens, "reasons": list(found.reasons)}


def _body(purpose: Purpose, code: ExitCode) -> dict[str, Any]:
    return {
        "schema": "glmprov/suggest/1",
        "exit_code": int(code),
        "purpose": purpose.name,
        "recommended": list(purpose.recommended),
        "avoid": list(purpose.avoid),
        "measurements": [
            {**vars(each), "values": dict(each.values), "date": None if each.date is None else str(each.date)}
            for each in purpose.measurements
        ],
    }
