"""Instances as they are, as a person and as a program reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from glmprov.deployed import InstanceReceipt
from glmprov.errors import ExitCode
from glmprov.report.json import document, error_of
from glmprov.report.table.blocks import Block
from glmprov.report.table.rows import Row
from glmprov.report.values import plain
from glmprov.results.instance import HostInstance
from glmprov.state import Unknown
from glmprov.state.data import data

_WORDS = {"active": "serves", "activating": "is starting", "inactive": "is stopped"}
_RECEIPT = ("number", "replaces", "written_at", "by", "recipe", "form", "gpus", "port", "accepted", "gated")


def instances(results: Sequence[HostInstance], *, verbose: bool = False) -> Iterable[RenderableType]:
    """Yield each instance as it is, or what was done with it."""
    if not results:
        yield Text("no instances")
    for each in results:
        if not isinstance(each.receipt, InstanceReceipt):
            said = each.receipt.reason if isinstance(each.receipt, Unknown) else "no receipt says what it is"
            yield Block(
                (each.host,),
                f"{each.name}: {each.done or said}" if each.name else "not read",
                error=each.error,
            )
            continue
        receipt = each.receipt
        yield Block(
            (each.host,),
            f"{each.name}: {each.done or f'{receipt.recipe} {_state(each)}'}",
            () if each.done else tuple(_about(each, receipt, verbose)),
            error=each.error,
        )


def _state(each: HostInstance) -> str:
    word = {"active": "serves", "activating": "is starting", "inactive": "is stopped"}.get(
        each.active, f"is {each.active or 'in an unknown state'}"
    )
    again = f", started again {each.restarts} times by systemd" if each.restarts else ""
    drift = f", {len(each.differences)} drift" if each.differences else ""
    return f"{word}{again}{drift}"


def _about(each: HostInstance, receipt: InstanceReceipt, verbose: bool) -> Iterator[Row]:
    gated = receipt.gated
    yield Row("port", "", "", str(receipt.port), f"{len(receipt.gpus)} cards")
    yield Row(
        "receipt", "", "", str(receipt.number), f"of {receipt.written_at}, by {receipt.by}, {receipt.form}"
    )
    if verbose:
        yield Row("gate", "", "", f"{gated.answer!r}", f"engine's start {gated.start_seconds:.1f} s")
    for difference in each.differences:
        yield Row(difference.key, "drift", "red", f"found {plain(difference.observed)}", difference.reason)


def as_json(results: Sequence[HostInstance], code: ExitCode) -> str:
    """Return instances as a document."""
    return document("instances", code, [_instance(each) for each in results])


def _instance(each: HostInstance) -> dict[str, Any]:
    receipt = each.receipt if isinstance(each.receipt, InstanceReceipt) else None
    return {
        "host": each.host,
        "name": each.name,
        "active": each.active,
        "restarts": data(each.restarts),
        "receipt": receipt and {name: data(getattr(receipt, name)) for name in _RECEIPT},
        "differences": [data(difference) for difference in each.differences],
        "done": each.done,
        "error": error_of(each.error),
    }
