"""The lab's commands. The only module of this room with click; all else is imported when a command runs."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

_fleet = click.option(
    "--fleet", default="lab", show_default=True, help="The fleet; several can be up at once."
)


@click.group()
def lab() -> None:
    """A rehearsal fleet on this machine: real systemd, SSH, apt and Docker, simulated GPUs. Needs root."""


@lab.command()
@click.argument("profiles", nargs=-1, metavar="[PROFILE]…")
@_fleet
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@click.option("--fresh", is_flag=True, help="Start over if the fleet is up already.")
@click.option(
    "--inventory-out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the inventory goes.  [default: ./inventories/FLEET.ini if that directory is there]",
)
@click.option(
    "--share",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    help="A folder of this machine that each node can read, at the same path. May be repeated.",
)
@click.option(
    "--as-shipped",
    is_flag=True,
    help="Packages as Debian packs them and disks that are written for good: slower, for measurements.",
)
def up(
    profiles: tuple[str, ...],
    fleet: str,
    yes: bool,
    fresh: bool,
    inventory_out: Path | None,
    share: tuple[Path, ...],
    as_shipped: bool,
) -> None:
    """Start a fleet of bare nodes, one for each hardware PROFILE, and write its inventory.

    Without PROFILE there are two: turin-8x-server and genoa-4x-workstation.
    """
    from glmprov.lab import bring_up

    plan = bring_up.plan(fleet, profiles, fresh, share, as_shipped)
    click.echo("\n".join(plan.lines()))
    if not plan.kept and not yes and sys.stdin.isatty() and not click.confirm("Go on?", default=True):
        raise click.Abort
    started = bring_up.carry_out(plan, inventory_out and inventory_out.absolute(), click.echo)
    click.echo("\n".join(["", "What to type next:", *(f"  {line}" for line in bring_up.next_steps(started))]))


@lab.command()
@_fleet
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(fleet: str, as_json: bool) -> None:
    """Show each node's state, and what is real and what is simulated."""
    from glmprov.lab import report

    found = report.look(fleet)
    click.echo(json.dumps(found.as_dict(), indent=1) if as_json else found.as_text())


@lab.command(context_settings={"allow_interspersed_args": False})
@_fleet
@click.option("-l", "--user", default="ops", show_default=True, help="Or root, opspw (sudo asks), nosudo.")
@click.argument("node")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def ssh(fleet: str, user: str, node: str, command: tuple[str, ...]) -> None:
    """Log in on NODE, or run COMMAND there. Options come before NODE."""
    from glmprov.lab.fleet import load

    found = load(fleet)
    argv = found.node(node).ssh(found.place, user)
    os.execvp(argv[0], [*argv, *command])  # noqa: S606  (ssh takes over the terminal)


@lab.command()
@_fleet
@click.argument("node")
@click.option("--hard", is_flag=True, help="Cut the power instead.")
def reboot(fleet: str, node: str, hard: bool) -> None:
    """Boot NODE again, or switch it on after a shutdown, and wait until it is up."""
    from glmprov.lab import power

    click.echo(power.reboot(fleet, node, hard))


@lab.command(context_settings={"ignore_unknown_options": True})
@_fleet
@click.argument("node", required=False)
@click.argument("kind", required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def fault(fleet: str, node: str | None, kind: str | None, arguments: tuple[str, ...]) -> None:
    """Break something on NODE. Without NODE and KIND: list the kinds of faults."""
    from glmprov.lab import trouble

    if node is None or kind is None:
        click.echo("\n".join(f"{name:<24} {meaning}" for name, meaning in trouble.kinds().items()))
    else:
        click.echo(trouble.cause(fleet, node, kind, list(arguments)))


@lab.command()
@_fleet
@click.option("--all", "every", is_flag=True, help="All fleets.")
def down(fleet: str, every: bool) -> None:
    """Remove a fleet with everything that it left on this machine, its inventory too. Caches stay."""
    from glmprov.lab import places, take_down

    for name in places.known_fleets() if every else [fleet]:
        take_down.down(name)
        click.echo(f"The fleet {name} is gone.")
