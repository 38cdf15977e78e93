"""What became of every key, by a second look."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import RenderableType
from rich.text import Text

from glmprov.report.table.blocks import Block, merged, shown, summed_up
from glmprov.report.table.rows import Row
from glmprov.report.values import plain
from glmprov.results.provision import HostProvision, KeyResult, Mended

_MENDED_STYLE = {
    Mended.FIXED: "green",
    Mended.FAILED: "red",
    Mended.UNKNOWN: "yellow",
    Mended.SKIPPED: "dim",
    Mended.PENDING_REBOOT: "cyan",
    Mended.WAITS: "yellow",
}
_WORST_FIRST = (
    Mended.FAILED,
    Mended.UNKNOWN,
    Mended.SKIPPED,
    Mended.WAITS,
    Mended.PENDING_REBOOT,
    Mended.FIXED,
)


def provision(results: Sequence[HostProvision], *, verbose: bool = False) -> Iterable[RenderableType]:
    """Yield what became of every key, by a second look."""
    yield from merged([_provision_block(result, verbose) for result in results], verbose)
    yield _provision_summary(results, "glmprov provision --reboot, or reboot them when it suits")


def revert(results: Sequence[HostProvision], *, verbose: bool = False) -> Iterable[RenderableType]:
    """Yield what became of every key that was to go back, by a second look."""
    yield from merged([_provision_block(result, verbose) for result in results], verbose)
    yield _provision_summary(results, "reboot them when it suits")


def _provision_block(result: HostProvision, verbose: bool) -> Block:
    counts = [(result.count(mended), mended.value.lower()) for mended in Mended]
    summary = ", ".join(f"{count} {word}" for count, word in counts if count)
    if not result.keys:
        summary = "nothing to do" if result.error is None else "not provisioned"
    if result.not_begun:
        summary = f"not begun: {result.not_begun}"
    worst_first = sorted(result.keys, key=lambda key: _WORST_FIRST.index(key.result))
    rows = shown(
        [_mended_row(key) for key in worst_first if verbose or key.result is not Mended.FIXED], verbose
    )
    command = result.waiting.command if result.waiting else ""
    if not verbose:
        rows += tuple(_fixed_rows(result.keys))
    error = result.error or result.failure
    return Block((result.host,), summary, rows, tuple(result.notes), error, command=command)


def _fixed_rows(keys: Sequence[KeyResult]) -> Iterable[Row]:
    """Yield how many keys of each section are as they should be now."""
    sections = Counter(re.split(r"[.\[]", key.key)[0] for key in keys if key.result is Mended.FIXED)
    for section, count in sections.items():
        yield Row(
            section, Mended.FIXED, _MENDED_STYLE[Mended.FIXED], f"{count} key{'s' if count != 1 else ''}"
        )


def _mended_row(key: KeyResult) -> Row:
    change = f"{plain(key.before)} → {plain(key.after)}"
    if key.result in (Mended.FAILED, Mended.SKIPPED):
        change = f"{plain(key.after)}, wanted {plain(key.expected)}"
    elif key.result is Mended.UNKNOWN:
        change = ""
    elif key.result in (Mended.PENDING_REBOOT, Mended.WAITS):
        change = f"{plain(key.after)} → {plain(key.expected)}"
    return Row(key.key, key.result.value, _MENDED_STYLE[key.result], change, key.reason)


def _provision_summary(results: Sequence[HostProvision], after: str) -> Text:
    failed = sum(result.failed for result in results)
    waiting = sum(result.count(Mended.PENDING_REBOOT) > 0 for result in results)
    serving = sum(result.waiting is not None for result in results)
    unchanged = sum(not result.keys and result.error is None for result in results)
    unknown = sum(result.count(Mended.UNKNOWN) > 0 and not result.failed for result in results)
    changed = sum(result.count(Mended.FIXED) > 0 and not result.failed for result in results)
    skipped = sum(
        result.count(Mended.SKIPPED) > 0 and not (result.failed or result.not_begun) for result in results
    )
    parts = [
        (changed, "changed"),
        (unchanged, "unchanged"),
        (unknown, "with something that can't be known"),
        (skipped, "with something skipped"),
        (waiting, "waiting for a reboot"),
        (serving, "waiting while an instance serves"),
        (sum(bool(result.not_begun) for result in results), "not begun"),
        (failed, "failed"),
    ]
    text = summed_up(len(results), parts)
    if waiting:
        text.append(f"\nnext: {after}")
    return text
