"""Every change on each host, the newest last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rich.console import RenderableType

from glmprov.history import Act, End
from glmprov.report.table.blocks import Block
from glmprov.report.table.rows import Row
from glmprov.report.values import plain
from glmprov.results.history import HostHistory

_STYLE = {End.DONE: "green", End.STOPPED: "red", End.UNDER_WAY: "cyan", End.NEVER_FINISHED: "yellow"}


def history(results: Sequence[HostHistory], *, verbose: bool = False) -> Iterable[RenderableType]:
    """Yield each host's changes."""
    for each in results:
        yield _block(each, verbose)


def _block(result: HostHistory, verbose: bool) -> Block:
    count = len(result.acts)
    summary = f"{count} change{'s' if count != 1 else ''}" if count else "no changes"
    rows = [row for act in result.acts for row in (_row(act), *(_keys(act) if verbose else ()))]
    notes = [f"{result.unread} lines can't be read: cut off by a crash, or of a newer version"]
    return Block(
        (result.host,),
        summary if result.error is None else "not read",
        tuple(rows),
        tuple(notes if result.unread else ()),
        result.error,
    )


def _row(act: Act) -> Row:
    when = act.since.replace("T", " ").removesuffix("+00:00")
    about = "; ".join(filter(None, [*act.entry.error.splitlines()[:1], act.entry.reason]))
    return Row(f"{when} {_who(act)}", act.entry.command, _STYLE[act.end], _outcome(act), about)


def _who(act: Act) -> str:
    """Return user and controller; the process is for those who look at the controller."""
    return act.entry.owner.partition(" ")[0]


def _outcome(act: Act) -> str:
    """Return what came of a change, in a few words."""
    planned = f"{len(act.entry.changes)} planned" if act.entry.changes else ""
    if act.end in (End.NEVER_FINISHED, End.UNDER_WAY):
        return ", ".join(filter(None, (act.end.value, planned)))
    counts = Counter(change.result.lower() for change in act.entry.changes)
    words = [f"{count} {result}" for result, count in counts.items()]
    took = f"{act.entry.seconds:.0f} s" if act.entry.seconds else ""
    rebooted = "rebooted" if act.entry.rebooted else ""
    stopped = act.end.value if act.end is End.STOPPED else ""
    return ", ".join(filter(None, (*words, rebooted, stopped, took)))


def _keys(act: Act) -> Iterator[Row]:
    for change in act.entry.changes:
        result = change.result or "planned"
        yield Row(f"  {change.key}", result, "dim", f"{plain(change.before)} → {plain(change.after)}")
