"""Results as a person reads them: one block a host, worst first inside it, one line of summary at the end.

What is alike is said once, over keys and over hosts; verbose says it all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

from glmprov.drift import Difference, Verdict
from glmprov.observation import Observation
from glmprov.report.blocks import Block, error_text, together
from glmprov.report.facts import text as drawn
from glmprov.report.rows import Row, folded
from glmprov.report.values import plain
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
_WORST_FIRST = (Mended.FAILED, Mended.UNKNOWN, Mended.SKIPPED, Mended.PENDING_REBOOT, Mended.FIXED)


def show(console: Console, blocks: Iterable[RenderableType]) -> None:
    """Print the blocks one after the other; into a pipe without the blanks that fill a table's columns."""
    for block in blocks:
        if console.is_terminal:
            console.print(block, highlight=False)
            continue
        with console.capture() as capture:
            console.print(block, highlight=False)
        console.file.writelines(f"{line.rstrip()}\n" for line in capture.get().splitlines())


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
    yield from _blocks([_plan_block(review, verbose) for review in reviews], verbose)
    yield _plan_summary(reviews)


def _plan_block(review: HostReview, verbose: bool) -> Block:
    changes = review.having(Verdict.DRIFT, Verdict.PENDING)
    unknown, later = review.having(Verdict.UNKNOWN), review.having(Verdict.LATER)
    counts = [
        _count(len(changes), "change"),
        _count(len(later), "known later"),
        _count(len(unknown), "unknown"),
    ]
    summary = ", ".join(filter(None, counts)) or "as planned"
    rows = [_plan_row(each) for each in (*changes, *unknown, *later)]
    return Block(
        (review.host,),
        summary if review.error is None else "cannot be planned",
        _shown(rows, verbose),
        tuple(review.plan.notes) if review.plan else (),
        review.error,
    )


def _plan_row(difference: Difference) -> Row:
    if difference.verdict is Verdict.LATER:
        return Row(difference.key, "later", "dim", "", plain(difference.expected))
    if difference.verdict is Verdict.UNKNOWN:
        return Row(difference.key, "unknown", "yellow", "", difference.reason)
    change = f"{plain(difference.observed)} → {plain(difference.expected)}"
    if difference.pending_reboot:
        return Row(difference.key, "reboot", "cyan", change, "declared; takes effect at the next boot")
    word = difference.disruption.value
    style = "default" if word == "none" else "yellow"
    return Row(difference.key, "change" if word == "none" else word, style, change, difference.reason)


def _plan_summary(reviews: Sequence[HostReview]) -> Text:
    ready = sum(not review.error and not review.differences for review in reviews)
    failed = sum(review.error is not None for review in reviews)
    changing = len(reviews) - ready - failed
    return _summary(len(reviews), [(ready, "as planned"), (changing, "to change"), (failed, "with an error")])


def audit(reviews: Sequence[HostReview], *, verbose: bool = False) -> Iterable[RenderableType]:
    """Yield what is not as applied or declared on each host."""
    yield from _blocks([_audit_block(review, verbose) for review in reviews], verbose)
    yield _audit_summary(reviews)


def _audit_block(review: HostReview, verbose: bool) -> Block:
    bare = review.observation is not None and review.observation.receipt is None
    summary = f"never provisioned, {_verdict(review)}" if bare else _verdict(review)
    notes = tuple(review.observation.remarks) if review.observation else ()
    rows = _shown([_audit_row(each) for each in review.differences], verbose)
    if bare and not verbose:
        # Everything is still to be done there, and `plan` says it better.
        rows = tuple(row for row in rows if row.word not in ("pending", "later"))
        notes = (*notes, "`glmprov plan` shows what is to be done")
    return Block((review.host,), summary, rows, notes, review.error)


def _audit_row(difference: Difference) -> Row:
    verdict = difference.verdict
    word = "reboot pending" if difference.pending_reboot else verdict.value.lower()
    return Row(difference.key, word, _VERDICT_STYLE[verdict], _audit_change(difference), difference.reason)


def _audit_change(difference: Difference) -> str:
    if difference.verdict in (Verdict.UNKNOWN, Verdict.LATER):
        return ""
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
    waiting = sum(each.pending_reboot for each in review.differences)
    counts = [
        (sum(not each.pending_reboot for each in review.having(verdict)), name)
        for verdict, name in names.items()
    ]
    counts.append((waiting, "waiting for a reboot"))
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
    yield from _blocks([_provision_block(result, verbose) for result in results], verbose)
    yield _provision_summary(results)


def _provision_block(result: HostProvision, verbose: bool) -> Block:
    counts = [(result.count(mended), mended.value.lower()) for mended in Mended]
    summary = ", ".join(f"{count} {word}" for count, word in counts if count)
    if not result.keys:
        summary = "nothing to do" if result.error is None else "not provisioned"
    worst_first = sorted(result.keys, key=lambda key: _WORST_FIRST.index(key.result))
    rows = _shown(
        [_mended_row(key) for key in worst_first if verbose or key.result is not Mended.FIXED], verbose
    )
    if not verbose:
        rows += tuple(_fixed_rows(result.keys))
    return Block((result.host,), summary, rows, tuple(result.notes), result.error or result.failure)


def _fixed_rows(keys: Sequence[KeyResult]) -> Iterable[Row]:
    """Yield how many keys of each section are as they should be now."""
    sections = Counter(key.key.partition(".")[0] for key in keys if key.result is Mended.FIXED)
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
    elif key.result is Mended.PENDING_REBOOT:
        change = f"{plain(key.after)} → {plain(key.expected)}"
    return Row(key.key, key.result.value, _MENDED_STYLE[key.result], change, key.reason)


def _provision_summary(results: Sequence[HostProvision]) -> Text:
    failed = sum(result.error is not None or result.count(Mended.FAILED) > 0 for result in results)
    waiting = sum(result.count(Mended.PENDING_REBOOT) > 0 for result in results)
    unchanged = sum(not result.keys and result.error is None for result in results)
    changed = sum(
        result.count(Mended.FIXED) > 0 and result.error is None and not result.count(Mended.FAILED)
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
    blocks = [
        Block(
            (each.host,),
            "not read" if each.error else each.info.text if each.info else "not locked",
            error=each.error,
        )
        for each in results
    ]
    yield from _blocks(blocks, verbose)


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


def _shown(rows: Sequence[Row], verbose: bool) -> tuple[Row, ...]:
    return tuple(rows if verbose else folded(rows))


def _blocks(blocks: Sequence[Block], verbose: bool) -> Sequence[Block]:
    return blocks if verbose else together(blocks)


def _count(number: int, word: str) -> str:
    plural = "s" if word == "change" and number != 1 else ""
    return f"{number} {word}{plural}" if number else ""


def _summary(total: int, parts: Sequence[tuple[int, str]]) -> Text:
    told = ", ".join(f"{count} {word}" for count, word in parts if count)
    return Text(f"{total} host{'s' if total != 1 else ''}: {told}", style="bold")
