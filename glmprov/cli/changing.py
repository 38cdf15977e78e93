"""The command that changes hosts: provision."""

from __future__ import annotations

from typing import Any

import click

from glmprov.cli.group import main
from glmprov.cli.options import fleet_options, leave, load, terminal_for
from glmprov.errors import ExitCode


@main.command(short_help="Bring each host to its plan.")
@fleet_options
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@click.option("-C", "--check", is_flag=True, help="Let Ansible say what it would do; change nothing.")
@click.option("-D", "--diff", is_flag=True, help="Show how files change.")
@click.option("--reboot", is_flag=True, help="Reboot hosts whose changes wait for it.")
@click.option(
    "--forget-card", "forgotten", multiple=True, metavar="UUID", help="This card was taken out on purpose."
)
@click.option("--reason", default="", help="Why, for the lock that others see.")
def provision(yes: bool, **options: Any) -> None:
    """Bring each host to its plan: driver, container engine, power limit, tuning, NCCL."""
    from glmprov.actions.provision import Aborted, Orders
    from glmprov.actions.provision import provision as bring
    from glmprov.results import provision_code

    terminal = terminal_for(options)
    names = ("check", "diff", "reboot", "reason", "forgotten")
    orders = Orders(**{name: options[name] for name in names})
    fleet = load(options)
    try:
        with terminal.progress("provisioning") as said:
            results = bring(fleet, orders, terminal.confirmation(yes), said, terminal.event)
    except Aborted:
        click.echo("nothing was changed", err=True)
        leave(ExitCode.FAILED)
    leave(terminal.report("provision", results, provision_code(results)))
