"""Blocks of text, one a host, or one for several hosts of which the same is to be said."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.text import Text

from glmprov.errors import GlmprovError
from glmprov.report.table.rows import Lines, Row, folded
from glmprov.report.values import short

_INDENT = (0, 0, 0, 2)
_ENDLESS = 10_000
"""Columns of a pipe: what reads it folds lines itself, if it wants to."""


@dataclass(frozen=True)
class Block:
    """What is to be said of the hosts: a line that sums it up, an error, rows and notes.

    says_next: the error's next step is shown here, and not by a block below that has the same one. command is what a
    person types for the hosts; it names them with -l.
    """

    hosts: tuple[str, ...]
    summary: str
    rows: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()
    error: GlmprovError | None = None
    says_next: bool = True
    command: str = ""

    @property
    def said(self) -> Hashable:
        """Return what the block says, whichever host it says it of."""
        error = self.error
        words = error and (_instead(error, _words(error), "…"), _instead(error, error.next_step or "", "…"))
        return self.summary, self.rows, self.notes, words, self._command_for("…")

    def _command_for(self, hosts: str) -> str:
        return self.command.replace(f" -l {self.hosts[0]} ", f" -l {hosts} ")

    @property
    def next_step(self) -> str | None:
        """What to do about the error, on all hosts of the block."""
        if self.error is None or self.error.next_step is None:
            return None
        return _instead(self.error, self.error.next_step, " ".join(self.hosts))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the block's lines; into a pipe none of them is folded."""
        for part in self._parts():
            yield from console.render(part, options.update(width=_ENDLESS) if console.soft_wrap else options)

    def _parts(self) -> Iterator[RenderableType]:
        count = f" ({len(self.hosts)} hosts)" if len(self.hosts) > 1 else ""
        yield Text.assemble((", ".join(self.hosts) + count, "bold"), "  ", self.summary)
        if self.error is not None:
            yield Padding(_error(_words(self.error), self.next_step if self.says_next else None), _INDENT)
        yield Lines(self.rows)
        for note in self.notes:
            yield Padding(Text(f"note: {short(note)}"), _INDENT)
        if self.command:
            yield Text("  what waits is done by:")
            # On a line of its own that only the terminal may fold: half a command does something else.
            yield Text(f"    {self._command_for(','.join(self.hosts))}", no_wrap=True, overflow="ignore")


def together(blocks: Iterable[Block]) -> list[Block]:
    """Return the blocks with those joined that say the same of different hosts, in the order of the first.

    A next step that several blocks in a row would name is left to the last of them.
    """
    groups: dict[Hashable, list[Block]] = {}
    for block in blocks:
        groups.setdefault(block.said, []).append(block)
    joined = [
        replace(group[0], hosts=tuple(host for block in group for host in block.hosts))
        for group in groups.values()
    ]
    following = [*(block.next_step for block in joined[1:]), None]
    return [
        replace(block, says_next=block.next_step != below)
        for block, below in zip(joined, following, strict=True)
    ]


def error_text(error: GlmprovError) -> Text:
    """Return an error as a person reads it: where, what, what to do next."""
    return _error(str(error), error.next_step)


def _error(words: str, next_step: str | None) -> Text:
    lines = [*(words.splitlines() or [""]), *([f"next: {next_step}"] if next_step else [])]
    return Text("error ", style="bold red").append("\n      ".join(lines), style="default not bold")


def _words(error: GlmprovError) -> str:
    """Return the error without its host, which stands above it."""
    return f"{error.place}: {error.message}" if error.place else error.message


def _instead(error: GlmprovError, text: str, name: str) -> str:
    """Return the text with another name in the place of the error's host."""
    if not error.host:
        return text
    return re.sub(rf"(?<![\w.-]){re.escape(error.host)}(?![\w.-])", lambda _: name, text)


def shown(rows: Sequence[Row], verbose: bool) -> tuple[Row, ...]:
    """Return the rows, alike ones folded unless verbose."""
    return tuple(rows if verbose else folded(rows))


def merged(blocks: Sequence[Block], verbose: bool) -> Sequence[Block]:
    """Return the blocks, hosts that are alike in one unless verbose."""
    return blocks if verbose else together(blocks)


def counted(number: int, word: str) -> str:
    """Return how many there are of something, nothing for none."""
    plural = "s" if word == "change" and number != 1 else ""
    return f"{number} {word}{plural}" if number else ""


def summed_up(total: int, parts: Sequence[tuple[int, str]], what: str = "host") -> Text:
    """Return the last line: how many hosts, or what else there is, and how many of each kind."""
    told = ", ".join(f"{count} {word}" for count, word in parts if count)
    return Text(f"{total} {what}{'s' if total != 1 else ''}: {told}", style="bold")
