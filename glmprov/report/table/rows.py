"""Lines of a host's block: folded so that what says the same is said once, and laid out for the width at hand."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from glmprov.report.values import short

_FOLD_FROM = 3
_REASON_COLUMNS = 36
"""Less is left for reasons? Then a row takes several lines instead of narrow columns."""


@dataclass(frozen=True)
class Row:
    """A line of a host's block."""

    key: str
    word: str
    style: str
    change: str
    reason: str = ""


def folded(rows: Sequence[Row]) -> list[Row]:
    """Return fewer rows that say the same.

    Three items or more of a kind become limit_watts[8 cards], what is declared and what is effective become
    one, and keys side by side become persistence_daemon.{enabled, active}.
    """
    return list(_siblings(_settings(list(_items(rows)))))


def _items(rows: Iterable[Row]) -> Iterator[Row]:
    def alike(row: Row) -> Hashable:
        head, item, tail = _split(row.key)
        return (head, tail, replace(row, key="")) if item else row

    for group in _groups(rows, alike):
        head, item, tail = _split(group[0].key)
        what = "cards" if item.startswith("GPU-") else "items"
        if len(group) < _FOLD_FROM:
            yield from group
        else:
            yield replace(group[0], key=f"{head}[{len(group)} {what}]{tail}")


def _settings(rows: Sequence[Row]) -> Iterator[Row]:
    """Say a setting once if both its sides differ for one reason; the effective one is what counts."""
    present = {row.key: row for row in rows}
    for row in rows:
        key, _, side = row.key.rpartition(".")
        other = present.get(f"{key}.{'effective' if side == 'declared' else 'declared'}")
        if side not in ("declared", "effective") or other is None or _said(row) != _said(other):
            yield row
        elif side == "effective":
            yield replace(row, key=key)


def _said(row: Row) -> tuple[str, str]:
    return row.word, row.reason


def _siblings(rows: Iterable[Row]) -> Iterator[Row]:
    def alike(row: Row) -> Hashable:
        parent, name = _parent(row.key)
        return (parent, replace(row, key="")) if parent and "[" not in name else row

    for group in _groups(rows, alike):
        parent = _parent(group[0].key)[0]
        names = ", ".join(_parent(row.key)[1] for row in group)
        yield group[0] if len(group) == 1 else replace(group[0], key=f"{parent}.{{{names}}}")


def _parent(key: str) -> tuple[str, str]:
    """Split a key at its last dot outside of brackets."""
    head, bracket, rest = key.rpartition("]")
    before, dot, name = (rest if bracket else key).rpartition(".")
    return (f"{head}{bracket}{before}", name) if dot else ("", key)


def _groups(rows: Iterable[Row], alike: Callable[[Row], Hashable]) -> Iterable[list[Row]]:
    order: dict[Hashable, list[Row]] = {}
    for row in rows:
        order.setdefault(alike(row), []).append(row)
    return order.values()


def _split(key: str) -> tuple[str, str, str]:
    head, bracket, rest = key.partition("[")
    if not bracket:
        return key, "", ""
    item, _, tail = rest.rpartition("]")
    return head, item, tail


@dataclass(frozen=True)
class Lines:
    """Rows as a table where the console is wide enough for one, else each on lines of its own."""

    rows: tuple[Row, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the rows for this width."""
        if not self.rows:
            return
        word = max(len(row.word) for row in self.rows)
        key = max(len(short(row.key)) for row in self.rows)
        change = max(len(short(row.change)) for row in self.rows)
        reasons = any(row.reason for row in self.rows)
        needed = 2 + word + 2 + key + 2 + change + (2 + _REASON_COLUMNS if reasons else 0)
        if needed <= options.max_width:
            yield self._table()
            return
        for row in self.rows:
            yield Padding(_texts(row, word), (0, 0, 0, 2))

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2, 0, 0))
        for no_wrap in (True, True, True, True, False):
            table.add_column(no_wrap=no_wrap)
        for row in self.rows:
            cells = (Text(row.word, row.style), Text(short(row.key)), Text(short(row.change)))
            table.add_row("", *cells, Text(short(row.reason), "dim"))
        return table


def _texts(row: Row, word: int) -> Table:
    """Return a row as its word, and beside it key and change, with the reason below."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=word)
    table.add_column(overflow="fold")
    table.add_row(Text(row.word, row.style), Text(f"{short(row.key)}  {short(row.change)}".rstrip()))
    if row.reason:
        table.add_row("", Padding(Text(short(row.reason), "dim"), (0, 0, 0, 2)))
    return table
