"""Where text goes: a console in color, or a pipe whose lines nobody folds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, RenderableType

_PIPED_WIDTH = 200


def console(stream: Any) -> Console:
    """Return a console that honors NO_COLOR and doesn't fold lines of a pipe."""
    return Console(
        file=stream, width=None if stream.isatty() else _PIPED_WIDTH, soft_wrap=not stream.isatty()
    )


def show(console: Console, blocks: Iterable[RenderableType]) -> None:
    """Print the blocks one after the other; into a pipe without the blanks that fill a table's columns.

    Nothing is cut off at the edge: a line that is longer can be copied whole.
    """
    for block in blocks:
        if console.is_terminal:
            console.print(block, highlight=False, crop=False)
            continue
        with console.capture() as capture:
            console.print(block, highlight=False, crop=False)
        console.file.writelines(f"{line.rstrip()}\n" for line in capture.get().splitlines())
