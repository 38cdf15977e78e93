"""Which hosts can run a recipe, on which cards, and why the others can't: as text and as data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from glmprov.errors import ExitCode, GlmprovError
from glmprov.fit.hosts import HostFit
from glmprov.fit.seats import Seat
from glmprov.report.fit import arithmetic, fit_data, head, verdict
from glmprov.report.values import short
from glmprov.results.fit import HostRecipeFit

if TYPE_CHECKING:
    from glmprov.recipe.model import Recipe


def hosts_text(recipe: Recipe, form: str, results: Sequence[HostRecipeFit], verbose: bool) -> str:
    """Return a block a host. The arithmetic is shown once for hosts that share it, or with verbose for each."""
    lines: list[str] = []
    shown: set[tuple[float, ...]] = set()
    seats = [seat for result in results if (seat := _shown_seat(result.found))]
    lines += [*head(recipe, form, seats[0].alone), ""] if seats else []
    for result in results:
        lines += [*_host(result), ""]
        seat = _shown_seat(result.found)
        if seat is None:
            continue
        key = tuple(term.bytes for term in seat.alone.pool.terms)
        if verbose or key not in shown:
            shown.add(key)
            lines += [f"  each of {len(seat.keys)} × {', '.join(seat.editions)}"]
            lines += [f"  {line}" for line in (*arithmetic(seat.alone), "", *verdict(seat.alone))] + [""]
    can = [result.host for result in results if result.found and result.found.strategy]
    lines.append(f"{len(results)} hosts: {len(can)} can run it" + (f" ({', '.join(can)})" if can else ""))
    return "\n".join(lines)


def _shown_seat(found: HostFit | None) -> Seat | None:
    if found is None or not found.seats:
        return None
    return found.seat or max(found.seats, key=lambda seat: seat.alone.context_tokens)


def _host(result: HostRecipeFit) -> Iterator[str]:
    if result.found is None:
        yield f"{result.host}  unknown: {result.error}"
        return
    found = result.found
    seat = found.seat
    if found.strategy is None or seat is None:
        yield f"{result.host}  can't run it"
        for reason in found.reasons:
            yield f"  {reason}"
        return
    yield f"{result.host}  can run it: {seat.alone.context_tokens:,} tokens, {found.strategy}"
    for each in found.seats:
        if each.alone.fits:
            now = "" if each.now.fits else "; not while others hold what they hold"
            yield f"  on {_cards(each)}{now}"
    if found.serving:
        yield f"  serving now: {', '.join(found.serving)}"


def _cards(seat: Seat) -> str:
    sockets = ", ".join(str(socket) if socket >= 0 else "unknown" for socket in seat.sockets)
    name = f"{seat.name}: " if seat.name else ""
    return f"{name}{', '.join(short(key) for key in seat.keys)} (socket {sockets})"


def hosts_document(recipe: Recipe, form: str, results: Sequence[HostRecipeFit], code: ExitCode) -> str:
    """Return the hosts as JSON, schema glmprov/fit/1."""
    body = {
        "schema": "glmprov/fit/1",
        "exit_code": int(code),
        "recipe": recipe.name,
        "form": form,
        "hosts": [_data(result) for result in results],
    }
    return json.dumps(body, indent=2, ensure_ascii=False)


def _data(result: HostRecipeFit) -> dict[str, Any]:
    found = result.found
    return {
        "host": result.host,
        "error": _error(result.error),
        "can_run": None if found is None else found.strategy is not None,
        "strategy": found.strategy.value if found and found.strategy else None,
        "reasons": list(found.reasons) if found else [],
        "serving": list(found.serving) if found else [],
        "seats": [
            {
                "name": seat.name or None,
                "cards": list(seat.keys),
                "sockets": list(seat.sockets),
                "editions": list(seat.editions),
                "fits_now": seat.now.fits,
                "fit": fit_data(seat.alone),
            }
            for seat in (found.seats if found else ())
        ],
    }


def _error(error: GlmprovError | None) -> dict[str, Any] | None:
    if error is None:
        return None
    return {"kind": type(error).__name__, "message": error.message, "next_step": error.next_step}
