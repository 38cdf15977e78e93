"""`glmprov prune`: make room on hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from glmprov.cli.group import main
from glmprov.cli.options import fleet_options, leave, load, terminal_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glmprov.results.prune import HostPrune


@main.command(short_help="Remove images and weights that nothing needs.")
@fleet_options
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@click.option("-C", "--check", is_flag=True, help="Show what could go; remove nothing.")
@click.option(
    "--keep",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    metavar="N",
    help="Receipts to keep of each instance, the one in force among them.",
)
def prune(yes: bool, check: bool, keep: int, **options: Any) -> None:
    """Remove old receipts, and images, caches and weights that no kept receipt names.

    Only what `deploy` brought goes: images that it fetched, revisions of models below glmprov_model_root. What a
    container uses stays. It is shown first, and asked.
    """
    from glmprov.actions.provision import Aborted
    from glmprov.actions.prune import prune as act
    from glmprov.report.console import show
    from glmprov.report.pruned import prunable_text, prune_json, pruned_text
    from glmprov.results.prune import prune_code

    terminal = terminal_for(options)
    seen: list[HostPrune] = []

    def confirm(found: Sequence[HostPrune]) -> bool:
        seen.extend(found)
        if check:
            return False
        if not terminal.as_json:
            show(terminal.err, prunable_text(found))
        return yes or terminal.asked("Remove this?")

    try:
        with terminal.progress("pruning") as said:
            results = act(load(options), keep, confirm, said)
    except Aborted:
        if not check:
            click.echo("nothing was removed", err=True)
            leave(1)
        results = tuple(seen)
    code = prune_code(results)
    if terminal.as_json:
        click.echo(prune_json(results, code))
    else:
        show(terminal.out, prunable_text(results) if check else pruned_text(results))
    leave(code)
