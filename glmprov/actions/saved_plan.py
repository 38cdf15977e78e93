"""Plans as files: written by `plan --out`, and held against the world by `provision FILE` before anything changes."""

from __future__ import annotations

import getpass
import os
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from glmprov import __version__
from glmprov.actions.observe import Compare, Fleet, against_plan, read_settings, review
from glmprov.errors import MovedOnError, NoHostError, UsageError
from glmprov.inventory.commit import Commit, commits
from glmprov.plan import saved
from glmprov.plan.saved import SavedHost, SavedPlan
from glmprov.receipt import Receipt
from glmprov.results.facts import HostFacts
from glmprov.results.review import HostReview
from glmprov.settings import HostSettings
from glmprov.state.data import data

MODE = 0o644
"""Everybody may read a plan, as far as the umask lets them: there is no secret in it, and others approve it."""


def save(reviews: Sequence[HostReview], fleet: Fleet, path: Path) -> SavedPlan:
    """Write the plan that these reviews are, whole or not at all. Raise UsageError if the file can't be written."""
    settings = read_settings(fleet.hosts)
    plan = saved.identified(
        SavedPlan(
            schema=saved.SCHEMA,
            id="",
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            by=getpass.getuser(),
            controller=socket.gethostname(),
            glmprov_version=__version__,
            inventory=tuple(str(s if "," in str(s) else s.absolute()) for s in fleet.sources),
            commits=commits(fleet.sources),
            hosts=tuple(_host(review, settings[review.host]) for review in reviews),
        )
    )
    write_whole(path, saved.to_json(plan))
    return plan


def _host(review: HostReview, settings: HostSettings) -> SavedHost:
    return saved.host_of(
        review.host, settings, review.observation, review.plan, review.differences, review.error
    )


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or as it was before. Raise UsageError if that can't be done.

    Behind a link its target is written; what is no file, as /dev/stdout, is written to and never replaced.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
            return
        path = path.resolve()
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        draft = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            draft.chmod(MODE & ~_umask())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"can't be written: {error.strerror}", place=str(path)) from error


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def read(path: Path) -> SavedPlan:
    """Return the plan in a file. Raise UsageError if it can't be read or isn't a plan of this version."""
    try:
        return saved.from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"can't be read: {error.strerror}",
            place=str(path),
            next_step="make a plan with `glmprov plan --out FILE`; hosts are chosen with --limit",
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"it isn't text: {error.reason}", place=str(path)) from error
    except UsageError as error:
        error.place = str(path)
        raise


def narrowed(plan: SavedPlan, fleet: Fleet, limited: bool) -> Fleet:
    """Return the fleet with the plan's hosts alone. limited: the user asked for some of them only.

    Raise MovedOnError, and so touch no host, if the program, the inventory or its commit isn't what it was; NoHostError
    if no host is of the plan.
    """
    planned = {host.host: host for host in plan.hosts}
    hosts = tuple(host for host in fleet.hosts if host.name in planned)
    if not hosts and limited:
        raise NoHostError("no host of the plan matches", place=f"plan {plan.name}")
    narrow = replace(fleet, hosts=hosts)
    gone = [] if limited else [name for name in planned if name not in {host.name for host in hosts}]
    lines = [
        *_program_moved(plan),
        *_commits_moved(plan.commits, commits(fleet.sources)),
        *(f"{name}: it is no longer in the inventory" for name in gone),
        *_settings_moved(planned, read_settings(hosts)),
    ]
    if lines:
        raise MovedOnError(
            "the plan no longer fits, nothing was changed:\n" + "\n".join(lines),
            place=f"plan {plan.name} of {plan.made_at}",
            next_step="look at the new plan with `glmprov plan`, and save it with --out",
        )
    return narrow


def _program_moved(plan: SavedPlan) -> Iterator[str]:
    if plan.glmprov_version != __version__:
        yield f"glmprov: was {plan.glmprov_version}, is {__version__}"


def _commits_moved(then: Sequence[Commit], now: Sequence[Commit]) -> Iterator[str]:
    """Yield what moved in the repositories. They may lie elsewhere now: a plan is applied from another clone."""
    before, after = ([commit.revision for commit in found] for found in (then, now))
    if before != after:
        was, is_now = (" ".join(found) or "not in a repository" for found in (before, after))
        yield f"commit of the inventory: was {was}, is {is_now}"
    elif [commit.dirty for commit in then] != [commit.dirty for commit in now]:
        was, is_now = ("changed" if any(c.dirty for c in found) else "clean" for found in (then, now))
        yield f"files of the inventory against their commit: was {was}, is {is_now}"


def _settings_moved(then: Mapping[str, SavedHost], now: Mapping[str, HostSettings]) -> Iterator[str]:
    for name, settings in now.items():
        for line in saved.changed(then[name].settings, data(settings.written())):
            yield f"{name}: {line}"


def reviewer(plan: SavedPlan) -> Callable[[HostFacts, HostSettings, Compare], HostReview]:
    """Return what holds each look at a host against the saved plan until the run begins there.

    What a later look finds changed, the run has changed; what it finds known, the saved settings decide.
    """

    def hold(facts: HostFacts, settings: HostSettings, compare: Compare) -> HostReview:
        found = review(facts, settings, compare)
        not_begun = compare is against_plan  # a run that has begun compares with what it found at first
        return held_to(plan, found, settings) if not_begun else found

    return hold


def held_to(plan: SavedPlan, found: HostReview, settings: HostSettings) -> HostReview:
    """Return a host's first review, refused with what moved if the plan isn't the one that was saved."""
    if found.error is not None:
        return found
    then = next(host for host in plan.hosts if host.host == found.host)
    receipt = found.observation.receipt if found.observation else None
    begun = isinstance(receipt, Receipt) and receipt.plan == plan.id
    lines = saved.moved(then, _host(found, settings), begun=begun)
    if not lines:
        return found if found.differences else _told_that_nothing_is_left(plan, found)
    refused = MovedOnError(
        "the host moved on since the plan was made, nothing was changed:\n" + "\n".join(lines),
        host=found.host,
        place=f"plan {plan.name}",
        next_step=f"look at the new plan with `glmprov plan --limit {found.host}`, and save it with --out",
    )
    return replace(found, error=refused)


def _told_that_nothing_is_left(plan: SavedPlan, found: HostReview) -> HostReview:
    """Return the review with a note for the person who applies a plan again."""
    if found.plan is None:
        return found
    note = f"plan {plan.name} is applied already: nothing is left to do"
    return replace(found, plan=replace(found.plan, notes=(*found.plan.notes, note)))
