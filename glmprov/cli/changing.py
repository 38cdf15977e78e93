"""The command that changes hosts: provision."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from glmprov.cli.again import again
from glmprov.cli.bring import bring
from glmprov.cli.group import main
from glmprov.cli.options import allow_option, change_options, fleet_options, load, terminal_for
from glmprov.errors import UsageError

if TYPE_CHECKING:
    from glmprov.actions.changing.orders import Orders
    from glmprov.plan.saved import SavedPlan


@main.command(short_help="Bring each host to its plan.")
@fleet_options
@change_options
@click.option("--reboot", is_flag=True, help="Reboot hosts whose changes wait for it, batch by batch.")
@allow_option
@click.option(
    "--serial", metavar="SIZES", help='Batches, as Ansible\'s serial: "1,25%". The last size repeats.'
)
@click.option(
    "--max-fail-percentage",
    type=click.FloatRange(0, 100),
    help="Begin no further batch once more than so many percent of one failed.",
)
@click.option(
    "--until", metavar="TIME", help="Begin nothing new from then on: 05:00, or an ISO date and time."
)
@click.option("--before", default="", metavar="COMMAND", help="Run this here before each host is changed.")
@click.option("--after", default="", metavar="COMMAND", help="Run this here after each host was changed.")
@click.option(
    "--hook-timeout", type=click.FloatRange(0.1), metavar="SECONDS", help="How long they may take (300)."
)
@click.option(
    "--forget-card", "forgotten", multiple=True, metavar="UUID", help="This card was taken out on purpose."
)
@click.option(
    "--driver-rollback/--driver-forward",
    "rollback",
    default=None,
    help="Go back to the driver that was kept before its upgrade, and stay there; or on to what the inventory says.",
)
@click.option("--reason", default="", help="Why, for the lock that others see.")
@click.argument("plan_file", metavar="[PLAN]", required=False, type=click.Path(path_type=Path))
def provision(yes: bool, **options: Any) -> None:
    """Bring each host to its plan: driver, container engine, power limit, tuning, NCCL.

    With the file that `glmprov plan --out` wrote: exactly that, or nothing on a host that has moved on since.
    """
    if options["rollback"] is not None:
        options["extra_vars"] = (*options["extra_vars"], f"gpu_driver_rollback={options['rollback']}")
    terminal = terminal_for(options)
    plan = _saved_plan(options)
    orders = _orders(options)
    fleet = load(options | ({"inventory": options["inventory"] or plan.inventory} if plan else {}))
    how: dict[str, Any] = {}
    if plan is not None:
        from glmprov.actions.saved_plan import narrowed, reviewer

        fleet = narrowed(plan, fleet, limited=bool(options["limit"]))
        how = {"review": reviewer(plan)}
    bring("provision", "provisioning", terminal, fleet, orders, yes=yes, **how)


def _saved_plan(options: dict[str, Any]) -> SavedPlan | None:
    if options["plan_file"] is None:
        return None
    from glmprov.actions.saved_plan import read

    if options["forgotten"] or options["rollback"] is not None:
        raise UsageError(
            "--forget-card and --driver-rollback ask for another plan than the one that was saved",
            next_step="give it without the file; a plan that is saved afterwards knows of it",
        )
    plan = read(options["plan_file"])
    options["reason"] = options["reason"] or f"plan {plan.name}"
    options["plan"] = plan.id
    return plan


def _orders(options: dict[str, Any]) -> Orders:
    from datetime import datetime

    from glmprov.actions.changing.batches import parse_serial, parse_until
    from glmprov.actions.changing.orders import HOOK_SECONDS, Orders, parse_allowed

    names = ("check", "diff", "reboot", "reason", "forgotten", "max_fail_percentage", "before", "after")
    until = options["until"]
    return Orders(
        **{name: options[name] for name in names},
        allowed=parse_allowed(options["allow"]),
        serial=parse_serial(options["serial"]) if options["serial"] else (),
        until=parse_until(until, datetime.now().astimezone()) if until else None,
        hook_seconds=options["hook_timeout"] or HOOK_SECONDS,
        again=again("provision", options),
        plan=options.get("plan", ""),
    )
