"""What is not as applied or declared on each host."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import RenderableType
from rich.text import Text

from glmprov.drift import Difference, Verdict
from glmprov.report.table.blocks import Block, merged, shown, summed_up
from glmprov.report.table.rows import Row
from glmprov.report.values import plain
from glmprov.results.review import HostReview

_VERDICT_STYLE = {
    Verdict.DRIFT: "red",
    Verdict.UNKNOWN: "yellow",
    Verdict.PENDING: "cyan",
    Verdict.LATER: "dim",
    Verdict.OK: "green",
}


def audit(reviews: Sequence[HostReview], *, verbose: bool = False) -> Iterable[RenderableType]:
    """Yield what is not as applied or declared on each host."""
    yield from merged([_audit_block(review, verbose) for review in reviews], verbose)
    yield _audit_summary(reviews)


def _audit_block(review: HostReview, verbose: bool) -> Block:
    bare = review.observation is not None and review.observation.receipt is None
    summary = f"never provisioned, {_verdict(review)}" if bare else _verdict(review)
    notes = tuple(review.observation.remarks) if review.observation else ()
    rows = shown([_audit_row(each) for each in review.differences], verbose)
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
    return summed_up(len(reviews), parts)
