"""What no kept receipt names, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import RenderableType

from glmprov.errors import ExitCode
from glmprov.report.json import document, error_of
from glmprov.report.table.blocks import Block
from glmprov.report.table.rows import Row
from glmprov.results.prune import HostPrune, Prunable
from glmprov.sizes import in_words
from glmprov.state.data import data


def prunable_text(results: Sequence[HostPrune]) -> Iterable[RenderableType]:
    """Yield for each host what would go."""
    for each in results:
        summary = (
            f"{len(each.items)} can go, {in_words(_bytes(each.items))}" if each.items else "nothing to remove"
        )
        rows = tuple(Row(i.kind, "", "", *_told(i)) for i in each.items)
        yield Block((each.host,), "not read" if each.error else summary, rows, _kept(each), each.error)


def pruned_text(results: Sequence[HostPrune]) -> Iterable[RenderableType]:
    """Yield for each host what went, and what didn't."""
    for each in results:
        summary = (
            f"{len(each.gone)} removed, {in_words(_bytes(each.gone))} freed"
            if each.gone
            else "nothing removed"
        )
        rows = tuple(Row(name, "stays", "red", error.message) for name, error in each.failed.items())
        yield Block((each.host,), summary, rows, _kept(each), each.error)


def _kept(each: HostPrune) -> tuple[str, ...]:
    return tuple(f"kept of {what}" for what in each.kept)


def _told(item: Prunable) -> tuple[str, str]:
    """Return an item's name for a person, and what is to be said of it."""
    size = in_words(item.size_bytes)
    if item.kind == "image":
        repository, _, digest = item.about.partition("@sha256:")
        return f"{repository}@sha256:{digest[:12]}…" if digest else repository, size
    return item.name, f"{size}, {item.about}" if item.kind == "weights" else item.about


def _bytes(items: Iterable[Prunable]) -> int:
    return sum(item.size_bytes for item in items)


def prune_json(results: Sequence[HostPrune], code: ExitCode) -> str:
    """Return the same as a document."""
    return document("prune", code, [_host(each) for each in results])


def _host(each: HostPrune) -> dict[str, Any]:
    return {
        "host": each.host,
        "items": [data(item) for item in each.items],
        "kept": list(each.kept),
        "gone": [data(item) for item in each.gone],
        "failed": {name: error_of(error) for name, error in each.failed.items()},
        "error": error_of(each.error),
    }
