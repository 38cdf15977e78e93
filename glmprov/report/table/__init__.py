"""Results as a person reads them: one block a host, worst first inside it, one line of summary at the end.

What is alike is said once, over keys and over hosts; verbose says it all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

from glmprov.observation import Observation
from glmprov.report.console import show
from glmprov.report.facts import explained_sets
from glmprov.report.facts import text as drawn
from glmprov.report.table.audit import audit
from glmprov.report.table.blocks import Block, error_text, merged
from glmprov.report.table.history import history
from glmprov.report.table.plan import plan
from glmprov.report.table.provision import provision, revert
from glmprov.report.table.rows import Row
from glmprov.results.facts import HostFacts
from glmprov.results.lock import HostLock
from glmprov.results.trust import HostTrust
from glmprov.topology import NamedSets

__all__ = ["audit", "facts", "history", "locks", "plan", "provision", "revert", "sets", "show", "trust"]


@dataclass(frozen=True)
class _Drawn:
    """A host drawn as wide as the console: all of it, or its sets of cards."""

    observation: Observation
    named: NamedSets
    only_sets: bool

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the drawing, in color where the console has any."""
        colored = console.color_system is not None and not console.no_color
        draw = explained_sets if self.only_sets else drawn
        text = draw(self.observation, options.max_width, colored, self.named)
        yield Text.from_ansi(text, no_wrap=True, overflow="ignore")


def facts(results: Sequence[HostFacts], *, verbose: bool = False) -> Iterable[RenderableType]:
    """Yield each host as it is, or why that could not be seen."""
    return _drawn(results, only_sets=False)


def sets(results: Sequence[HostFacts], *, verbose: bool = False) -> Iterable[RenderableType]:
    """Yield each host's sets of cards with their reasons."""
    return _drawn(results, only_sets=True)


def _drawn(results: Sequence[HostFacts], only_sets: bool) -> Iterable[RenderableType]:
    for each in results:
        if each.observation is not None:
            yield _Drawn(each.observation, each.named, only_sets)
        if each.error is not None:
            yield error_text(each.error)


def locks(results: Sequence[HostLock], *, verbose: bool = False) -> Iterable[RenderableType]:
    """Yield who holds each host's lock."""
    blocks = [
        Block((each.host,), "not read" if each.error else each.text, error=each.error) for each in results
    ]
    yield from merged(blocks, verbose)


def trust(results: Sequence[HostTrust], *, verbose: bool = False) -> Iterable[RenderableType]:
    """Yield the keys that known_hosts holds now."""
    for result in results:
        rows = tuple(
            Row(
                f"{key.name} {key.kind}",
                "added" if key.added else "known",
                "green",
                key.fingerprint,
                key.file,
            )
            for key in result.keys
        )
        yield Block((result.host,), "not trusted" if result.error else "trusted", rows, error=result.error)
