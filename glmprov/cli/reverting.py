"""The command that takes provisioning back: revert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from glmprov.cli.again import again
from glmprov.cli.bring import bring
from glmprov.cli.group import main
from glmprov.cli.options import allow_option, change_options, fleet_options, load, terminal_for
from glmprov.errors import UsageError

if TYPE_CHECKING:
    from glmprov.actions.changing.orders import Orders
    from glmprov.undo import Wanted


@main.command(short_help="Take back what provisioning made.")
@fleet_options
@change_options
@click.option(
    "--packages", is_flag=True, help="Also the packages that it installed or moved, and their sources."
)
@click.option(
    "--section", "sections", multiple=True, metavar="NAME", help="Only this section; may be repeated."
)
@click.option(
    "--reboot", is_flag=True, help="Reboot hosts where something stays in force until the next boot."
)
@allow_option
@click.option("--reason", default="", help="Why, for the lock that others see and for the history.")
@click.argument("names", nargs=-1)
def revert(names: tuple[str, ...], yes: bool, **options: Any) -> None:
    """Put each host back to what it was before provisioning, by the host's own receipt.

    What provisioning didn't make stays, and so do files that were edited since. The history stays too.
    """
    from glmprov.actions.revert import errand, reviewer

    wanted = _wanted(options)
    terminal = terminal_for(options)
    options["limit"] = ",".join(names) or options["limit"]
    orders = _orders(options)
    how = {"review": reviewer(wanted), "errand": errand(wanted)}
    bring("revert", "reverting", terminal, load(options), orders, yes=yes, **how)


def _wanted(options: dict[str, Any]) -> Wanted:
    from glmprov.state import SECTIONS
    from glmprov.undo import Wanted

    named = tuple(word.strip() for text in options["sections"] for word in text.split(","))
    wrong = next((name for name in named if name not in SECTIONS), None)
    if wrong is not None:
        raise UsageError(
            f"--section: there is no section {wrong}", next_step=f"choose from {', '.join(SECTIONS)}"
        )
    if named and options["packages"]:
        raise UsageError(
            "--packages takes back all packages, which --section can't", next_step="give one of them"
        )
    return Wanted(tuple(dict.fromkeys(named)) or SECTIONS, options["packages"])


def _orders(options: dict[str, Any]) -> Orders:
    from glmprov.actions.changing.orders import Orders, parse_allowed

    return Orders(
        **{name: options[name] for name in ("check", "diff", "reboot", "reason")},
        allowed=parse_allowed(options["allow"]),
        again=again("revert", options),
    )
