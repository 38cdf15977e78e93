"""What provisioning would change on each host, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from rich.console import RenderableType
from rich.text import Text

from glmprov.drift import Difference, Verdict, classes
from glmprov.report.table.blocks import Block, counted, merged, shown, summed_up
from glmprov.report.table.rows import Row
from glmprov.report.values import plain
from glmprov.results.review import HostReview
from glmprov.state import Disruption, Manage


def plan(
    reviews: Sequence[HostReview], *, verbose: bool = False, allowed: Collection[Disruption] = ()
) -> Iterable[RenderableType]:
    """Yield what provisioning would change on each host, and why; allowed is what it may interrupt."""
    yield from merged([_plan_block(review, verbose, allowed) for review in reviews], verbose)
    yield _plan_summary(reviews)


def _plan_block(review: HostReview, verbose: bool, allowed: Collection[Disruption]) -> Block:
    changes, unknown, later = (
        [each for each in review.enforced if each.verdict in verdicts]
        for verdicts in ((Verdict.DRIFT, Verdict.PENDING), (Verdict.UNKNOWN,), (Verdict.LATER,))
    )
    reported = [each for each in review.differences if each.manage is not Manage.ENFORCE]
    counts = [
        counted(len(changes), "change"),
        counted(len(later), "known later"),
        counted(len(unknown), "unknown"),
        counted(len(reported), "reported only"),
    ]
    notes = (*(review.plan.notes if review.plan else ()), *_waiting(review, allowed))
    summary = ", ".join(filter(None, counts)) or "as planned"
    rows = [_plan_row(each) for each in (*changes, *unknown, *later, *reported)]
    return Block(
        (review.host,),
        summary if review.error is None else "cannot be planned",
        shown(rows, verbose),
        notes,
        review.error,
    )


def _waiting(review: HostReview, allowed: Collection[Disruption]) -> Iterable[str]:
    """Yield what waits while an instance serves, and what would do it all the same."""
    waiting = review.waiting(allowed)
    if not waiting:
        return
    named = sorted({*classes(waiting), *allowed}, key=list(Disruption).index)
    keys = ", ".join(dict.fromkeys(each.key.partition("[")[0] for each in waiting))
    yield (
        f"waiting while {' and '.join(review.serving)} serves, unless provisioned with "
        f"--allow {','.join(named)}: {keys}"
    )


def _plan_row(difference: Difference) -> Row:
    if difference.verdict is Verdict.LATER:
        return Row(difference.key, "later", "dim", "", plain(difference.expected))
    if difference.verdict is Verdict.UNKNOWN:
        return Row(difference.key, "unknown", "yellow", "", difference.reason)
    if difference.manage is not Manage.ENFORCE:
        wanted = f"expected {plain(difference.expected)}, found {plain(difference.observed)}"
        return Row(difference.key, "reported only", "dim", wanted, difference.reason)
    change = f"{plain(difference.observed)} → {plain(difference.expected)}"
    if difference.pending_reboot:
        return Row(difference.key, "reboot", "cyan", change, "declared; takes effect at the next boot")
    word = difference.disruption.value
    style = "default" if word == "none" else "yellow"
    return Row(difference.key, "change" if word == "none" else word, style, change, difference.reason)


def _plan_summary(reviews: Sequence[HostReview]) -> Text:
    ready = sum(not review.error and not review.enforced for review in reviews)
    failed = sum(review.error is not None for review in reviews)
    changing = len(reviews) - ready - failed
    return summed_up(
        len(reviews), [(ready, "as planned"), (changing, "to change"), (failed, "with an error")]
    )
