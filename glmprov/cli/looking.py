"""Commands that look: facts, plan, audit, history."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from glmprov.cli.group import main
from glmprov.cli.options import fleet_options, leave, load, terminal_for
from glmprov.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glmprov.actions.observe import Fleet
    from glmprov.results.review import HostReview


@main.command(short_help="Show each host: cards, limits, sockets, PCIe, P2P.")
@fleet_options
@click.option("--sets", is_flag=True, help="Show only which cards form which set, and why.")
def facts(sets: bool, **options: Any) -> None:
    """Show each host: cards and editions, limits, sockets, PCIe, P2P, sets."""
    from glmprov.actions.facts import facts as look
    from glmprov.results.codes import errors_code

    terminal = terminal_for(options)
    with terminal.progress("probing") as said:
        results = look(load(options), said)
    leave(terminal.report("sets" if sets else "facts", results, errors_code(results)))


@main.command()
@fleet_options
@click.option("--exit-code", is_flag=True, help="Exit 3 if anything would change.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Save the plan for `glmprov provision FILE`.",
)
@click.option(
    "--export",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write a project for plain ansible-playbook.",
)
def plan(exit_code: bool, out: Path | None, export: Path | None, **options: Any) -> None:
    """Show what provisioning would change, and why."""
    from glmprov.actions.plan import plan as review
    from glmprov.results.review import plan_code

    terminal = terminal_for(options)
    with terminal.progress("probing") as said:
        fleet = load(options)
        reviews = review(fleet, said)
    if out is not None:
        _save(reviews, fleet, out)
    if export is not None:
        _export(reviews, fleet, export)
    leave(terminal.report("plan", reviews, plan_code(reviews, exit_code)))


def _save(reviews: Sequence[HostReview], fleet: Fleet, path: Path) -> None:
    from glmprov.actions.saved_plan import save

    saved = save(reviews, fleet, path)
    click.echo(f"saved plan {saved.name}; apply it with `glmprov provision {path}`", err=True)


def _export(reviews: Sequence[HostReview], fleet: Fleet, directory: Path) -> None:
    from glmprov.actions.export import export

    done = export(reviews, fleet, directory)
    click.echo(f"exported {', '.join(done.hosts) or 'no host'}; apply it with\n  {done.command}", err=True)
    for host, fields in done.later.items():
        click.echo(f"{host}: export again when these are known: {', '.join(fields)}", err=True)


@main.command(short_help="Say what is not as applied or declared.")
@fleet_options
@click.option(
    "--fail-on", help="What counts for the exit code: drift,pending,unknown,unreachable (default all)."
)
def audit(fail_on: str | None, **options: Any) -> None:
    """Hold each host against what was applied and what the inventory declares. Exit 3 on drift."""
    from glmprov.actions.audit import audit as review
    from glmprov.results.review import FailOn, audit_code

    try:
        counted = (
            frozenset(FailOn(word.strip()) for word in fail_on.split(",")) if fail_on else frozenset(FailOn)
        )
    except ValueError as error:
        raise UsageError(
            f"--fail-on: {str(error).split(' is ')[0]} is no such thing",
            next_step=f"choose from {','.join(FailOn)}",
        ) from error
    terminal = terminal_for(options)
    with terminal.progress("probing") as said:
        reviews = review(load(options), said)
    leave(terminal.report("audit", reviews, audit_code(reviews, counted)))


@main.command(short_help="Show every change on each host.")
@fleet_options
@click.option("--since", help="Only changes since then: 12h, 7d, 2w, or a date.")
@click.option("-n", "--last", type=click.IntRange(1), help="At most so many a host, the newest.")
@click.argument("names", nargs=-1)
def history(names: tuple[str, ...], since: str | None, last: int | None, **options: Any) -> None:
    """Show who changed what on each host, when, and what came of it; with -v every key. Needs no root."""
    from datetime import UTC, datetime

    from glmprov.actions.history import history as read
    from glmprov.history import Wanted, moment
    from glmprov.results.codes import errors_code

    try:
        wanted = Wanted(moment(since, datetime.now(UTC)) if since else None, last)
    except ValueError as error:
        raise UsageError(
            f"--since: {since} is no time", next_step="write 12h, 7d, 2w or 2026-11-22"
        ) from error
    options["limit"] = ",".join(names) or options["limit"]
    results = read(load(options), wanted)
    leave(terminal_for(options).report("history", results, errors_code(results)))
