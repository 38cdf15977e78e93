"""Results as a person reads them: one block a host, worst first inside it, one line of summary at the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from glmprov.drift import Difference, Verdict
from glmprov.errors import GlmprovError
from glmprov.observation import Observation
from glmprov.report.facts import text as drawn
from glmprov.report.values import plain, short
from glmprov.results import HostFacts, HostLock, HostProvision, HostReview, HostTrust, KeyResult, Mended

_VERDICT_STYLE = {
    Verdict.DRIFT: "red",
    Verdict.UNKNOWN: "yellow",
    Verdict.PENDING: "cyan",
    Verdict.LATER: "dim",
    Verdict.OK: "green",
}
_MENDED_STYLE = {
    Mended.FIXED: "green",
    Mended.FAILED: "red",
    Mended.UNKNOWN: "yellow",
    Mended.SKIPPED: "dim",
    Mended.PENDING_REBOOT: "cyan",
}
_FOLD_FROM = 3


@dataclass(frozen=True)
class _Row:
    """A line of a host's block."""

    key: str
    word: str
    style: str
    change: str
    reason: str


def show(console: Console, blocks: Iterable[RenderableType]) -> None:
    """Print the blocks one after the other; into a pipe without the blanks that fill a table's columns."""
    for block in blocks:
        if console.is_terminal:
            console.print(block, highlight=False)
            continue
        with console.capture() as capture:
            console.print(block, highlight=False)
        console.file.writelines(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def error_text(error: GlmprovError) -> Text:
    """Return an error as a person reads it: where, what, what to do next."""
    text = Text("error ", style="bold red")
    lines = str(error).splitlines() or [""]
    text.append(lines[0], style="default not bold")
    for line in lines[1:]:
        text.append(f"\n      {line}", style="default not bold")
    if error.next_step:
        text.append(f"\n      next: {error.next_step}", style="default not bold")
    return text


@dataclass(frozen=True)
class _Drawn:
    """A host drawn as wide as the console."""

    observation: Observation

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the drawing, in color where the console has any."""
        colored = console.color_system is not None and not console.no_color
        yield Text.from_ansi(
            drawn(self.observation, options.max_width, colored), no_wrap=True, overflow="ignore"
        )


def facts(results: Sequence[HostFacts], *, verbose: bool = False) -> Iterable[RenderableType]:
    """Yield each host as it is, or why that could not be seen."""
    for each in results:
        if each.observation is not None:
            yield _Drawn(each.observation)
        elif each.error is not None:
            yield error_text(each.error)


def plan(reviews: Sequence[HostReview], *, verbose: bool = False) -> Iterable[RenderableType]:
    """Yield what provisioning would change on each host, and why."""
    for review in reviews:
        changes = review.having(Verdict.DRIFT, Verdict.PENDING)
        unknown, later = review.having(Verdict.UNKNOWN), review.having(Verdict.LATER)
        parts = [_count(len(changes), "change"), f"{len(later)} known later" if later else ""]
        parts.append(f"{len(unknown)} unknown" if unknown else "")
        summary = ", ".join(part for part in parts if part) if review.error is None else ""
        rows = [_plan_row(each) for each in (*changes, *unknown, *later)]
        notes = review.plan.notes if review.plan else ()
        yield _block(review.host, summary or "cannot be planned", rows, notes, review.error, verbose)
    yield _plan_summary(reviews)


def _plan_row(difference: Difference) -> _Row:
    if difference.verdict is Verdict.LATER:
        return _Row(difference.key, "later", "dim", plain(difference.expected), "")
    if difference.verdict is Verdict.UNKNOWN:
        return _Row(difference.key, "unknown", "yellow", plain(difference.observed), difference.reason)
    change = f"{plain(difference.observed)} → {plain(difference.expected)}"
    if difference.pending_reboot:
        return _Row(difference.key, "reboot", "cyan", change, "declared; takes effect at the next boot")
    word = difference.disruption.value
    style = "default" if word == "none" else "yellow"
    return _Row(difference.key, "change" if word == "none" else word, style, change, difference.reason)


def _plan_summary(reviews: Sequence[HostReview]) -> Text:
    ready = sum(not review.error and not review.differences for review in reviews)
    failed = sum(review.error is not None for review in reviews)
    changing = len(reviews) - ready - failed
    return _summary(len(reviews), [(ready, "as planned"), (changing, "to change"), (failed, "with an error")])


def audit(reviews: Sequence[HostReview], *, verbose: bool = False) -> Iterable[RenderableType]:
    """Yield what is not as applied or declared on each host."""
    for review in reviews:
        rows = [
            _Row(
                each.key,
                each.verdict.value.lower() if not each.pending_reboot else "reboot pending",
                _VERDICT_STYLE[each.verdict],
                _audit_change(each),
                each.reason,
            )
            for each in review.differences
        ]
        remarks = review.observation.remarks if review.observation else ()
        yield _block(review.host, _verdict(review), rows, remarks, review.error, verbose)
    yield _audit_summary(reviews)


def _audit_change(difference: Difference) -> str:
    if difference.verdict is Verdict.UNKNOWN:
        return plain(difference.observed)
    if difference.verdict is Verdict.LATER:
        return plain(difference.expected)
    return f"expected {plain(difference.expected)}, found {plain(difference.observed)}"


def _verdict(review: HostReview) -> str:
    if review.error is not None:
        return "not audited"
    if not review.differences:
        return "clean"
    names = {
        Verdict.DRIFT: "drift",
        Verdict.UNKNOWN: "unknown",
        Verdict.PENDING: "pending",
        Verdict.LATER: "later",
    }
    counts = [(len(review.having(verdict)), name) for verdict, name in names.items()]
    return ", ".join(f"{count} {name}" for count, name in counts if count)


def _audit_summary(reviews: Sequence[HostReview]) -> Text:
    failed = sum(review.error is not None for review in reviews)
    clean = sum(_verdict(review) == "clean" for review in reviews)
    drifted = sum(bool(review.having(Verdict.DRIFT)) for review in reviews)
    rest = len(reviews) - failed - clean - drifted
    parts = [
        (clean, "clean"),
        (drifted, "with drift"),
        (rest, "pending or unknown"),
        (failed, "with an error"),
    ]
    return _summary(len(reviews), parts)


def provision(results: Sequence[HostProvision], *, verbose: bool = False) -> Iterable[RenderableType]:
    """Yield what became of every key, by a second look."""
    for result in results:
        rows = [_mended_row(key) for key in result.keys]
        counts = [(result.count(mended), mended.value.lower()) for mended in Mended]
        summary = ", ".join(f"{count} {word}" for count, word in counts if count)
        if not result.keys and result.error is None:
            summary = "nothing to do"
        error = result.error or result.failure
        yield _block(result.host, summary or "not provisioned", rows, result.notes, error, verbose)
    yield _provision_summary(results)


def _mended_row(key: KeyResult) -> _Row:
    change = f"{plain(key.before)} → {plain(key.after)}"
    if key.result in (Mended.FAILED, Mended.SKIPPED):
        change = f"{plain(key.after)}, wanted {plain(key.expected)}"
    elif key.result is Mended.PENDING_REBOOT:
        change = f"{plain(key.after)} → {plain(key.expected)}"
    return _Row(key.key, key.result.value, _MENDED_STYLE[key.result], change, key.reason)


def _provision_summary(results: Sequence[HostProvision]) -> Text:
    failed = sum(result.error is not None or result.count(Mended.FAILED) > 0 for result in results)
    waiting = sum(result.count(Mended.PENDING_REBOOT) > 0 for result in results)
    unchanged = sum(not result.keys and result.error is None for result in results)
    changed = sum(bool(result.keys) for result in results) - sum(
        bool(result.keys) and (result.error is not None or result.count(Mended.FAILED) > 0)
        for result in results
    )
    parts = [
        (changed, "changed"),
        (unchanged, "unchanged"),
        (waiting, "waiting for a reboot"),
        (failed, "failed"),
    ]
    text = _summary(len(results), parts)
    if waiting:
        text.append("\nnext: glmprov provision --reboot, or reboot them when it suits")
    return text


def locks(results: Sequence[HostLock], *, verbose: bool = False) -> Iterable[RenderableType]:
    """Yield who holds each host's lock."""
    for result in results:
        if result.error is not None:
            yield _block(result.host, "not read", [], (), result.error, False)
        else:
            yield Text(f"{result.host}  {result.info.text if result.info else 'not locked'}")


def trust(results: Sequence[HostTrust], *, verbose: bool = False) -> Iterable[RenderableType]:
    """Yield the keys that known_hosts holds now."""
    for result in results:
        rows = [
            _Row(
                f"{key.name} {key.kind}",
                "added" if key.added else "known",
                "green",
                key.fingerprint,
                key.file,
            )
            for key in result.keys
        ]
        yield _block(
            result.host, "not trusted" if result.error else "trusted", rows, (), result.error, verbose
        )


def _block(
    host: str,
    summary: str,
    rows: Sequence[_Row],
    notes: Sequence[str],
    error: GlmprovError | None,
    verbose: bool,
) -> RenderableType:
    parts: list[RenderableType] = [Text.assemble((host, "bold"), "  ", summary)]
    if error is not None:
        parts.append(_indented(error_text(error)))
    if rows:
        table = Table.grid(padding=(0, 2, 0, 0))
        for no_wrap in (True, True, True, False, False):
            table.add_column(no_wrap=no_wrap, overflow="fold")
        for row in rows if verbose else _folded(rows):
            cells = (Text(row.word, row.style), Text(short(row.key)), Text(short(row.change)))
            table.add_row("", *cells, Text(short(row.reason), "dim"))
        parts.append(table)
    parts.extend(_indented(Text(f"note: {short(note)}")) for note in notes)
    return Group(*parts)


def _indented(text: Text) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_row("", text)
    return table


def _folded(rows: Sequence[_Row]) -> Iterable[_Row]:
    """Fold rows that say the same of several items: limit_watts[8 cards].effective 600 → 400."""
    order: dict[tuple[str, ...], list[_Row]] = {}
    for row in rows:
        head, item, tail = _split(row.key)
        identity = (head, tail, row.word, row.change, row.reason) if item else (row.key,)
        order.setdefault(identity, []).append(row)
    for group in order.values():
        if len(group) < _FOLD_FROM:
            yield from group
            continue
        head, item, tail = _split(group[0].key)
        what = "cards" if item.startswith("GPU-") else "items"
        first = group[0]
        yield _Row(f"{head}[{len(group)} {what}]{tail}", first.word, first.style, first.change, first.reason)


def _split(key: str) -> tuple[str, str, str]:
    head, bracket, rest = key.partition("[")
    if not bracket:
        return key, "", ""
    item, _, tail = rest.rpartition("]")
    return head, item, tail


def _count(number: int, word: str) -> str:
    return "as planned" if not number else f"{number} {word}{'s' if number != 1 else ''}"


def _summary(total: int, parts: Sequence[tuple[int, str]]) -> Text:
    told = ", ".join(f"{count} {word}" for count, word in parts if count)
    return Text(f"{total} host{'s' if total != 1 else ''}: {told}", style="bold")
