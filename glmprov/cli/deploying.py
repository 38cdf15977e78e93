"""The commands about running backends: deploy, and what is done with what was deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import click

from glmprov.cli.again import again
from glmprov.cli.group import main
from glmprov.cli.options import fleet_options, leave, load, stack, terminal_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from glmprov.actions.deploy import Deployment, DeployOrders
    from glmprov.instance import Wanted
    from glmprov.terminal import Terminal


def _from_the_root(_context: click.Context, _option: click.Parameter, folder: str | None) -> str | None:
    """Return a folder on the host as it was given; refuse one that would depend on where the host begins."""
    if folder is not None and not folder.startswith("/"):
        raise click.BadParameter(f"{folder!r}: a folder on the host is written from /")
    return folder


batch_options = stack(
    click.option(
        "--serial", metavar="SIZES", help='Batches, as Ansible\'s serial: "1,25%". The last size repeats.'
    ),
    click.option(
        "--max-fail-percentage",
        type=click.FloatRange(0, 100),
        help="Begin no further batch once more than so many percent of one failed.",
    ),
    click.option(
        "--before", default="", metavar="COMMAND", help="Run this here before each host is changed."
    ),
    click.option("--after", default="", metavar="COMMAND", help="Run this here after each host was changed."),
    click.option(
        "--hook-timeout", type=click.FloatRange(0.1), metavar="SECONDS", help="How long they may take (300)."
    ),
    click.option("--reason", default="", help="Why, for the lock that others see."),
)


@main.command(short_help="Bring a recipe to hosts as a service that answers.")
@fleet_options
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@click.option("-C", "--check", is_flag=True, help="Show what would be done, and why; change nothing.")
@click.option("--recipes", "folders", multiple=True, metavar="DIR", help="A folder of own recipes.")
@click.option(
    "--set", "sets", multiple=True, metavar="FLAG=VALUE", help="Change a value; =null takes it away."
)
@click.option("--model", help="Another model: an id on the hub, or a folder on the host.")
@click.option(
    "--weights",
    metavar="DIR",
    callback=_from_the_root,
    help="A folder on the host that holds the recipe's model already.",
)
@click.option("--gpus", default="", metavar="CARDS", help="UUIDs, a set's name, or how many.")
@click.option("--port", type=click.IntRange(1, 65535), help="Listen there.")
@click.option("--name", help="The instance's name (default: glm, or the inventory's).")
@click.option("--as-published", is_flag=True, help="The published form, without the corrections.")
@click.option(
    "--accept", multiple=True, metavar="ID", help="Go ahead in spite of this finding; it is recorded."
)
@click.option("--locked", is_flag=True, help="Only what recipe.lock says; resolve nothing.")
@click.option(
    "--hub", metavar="URL", help="Fetch weights there (default: $HF_ENDPOINT, or https://huggingface.co)."
)
@batch_options
@click.argument("recipe", required=False)
def deploy(yes: bool, check: bool, **options: Any) -> None:
    """Bring a recipe to hosts as a systemd service, and believe only tokens.

    Image and weights are fetched while the old service serves. If the new one doesn't answer, the old one is restored.
    Without RECIPE: the instances that the inventory declares (glmprov_instances).
    """
    from pathlib import Path

    from glmprov.actions.deploy import Aborted
    from glmprov.actions.deploy import deploy as act
    from glmprov.cli.recipe.options import library_for

    terminal = terminal_for(options)
    orders, library = _orders(options), library_for(options["folders"])
    if orders.recipe is not None:
        library.find(orders.recipe)
    fleet = load(options)
    try:
        with terminal.progress("deploying") as said:
            results = act(
                fleet,
                orders,
                library,
                _nobody if check else _confirmation(terminal, yes),
                said,
                terminal.event,
                cwd=Path.cwd(),
                told=_hook_input,
                interrupted=terminal.finishing,
            )
    except Aborted as aborted:
        if check:
            _report_plan(terminal, aborted.args[0])
        click.echo("nothing was changed", err=True)
        leave(1)
    if check:
        _report_plan(terminal, results)
    _report(terminal, results)


@main.command(short_help="Go back to what an instance was before its last deploy.")
@fleet_options
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@batch_options
@click.argument("name", default="glm")
def rollback(name: str, yes: bool, **options: Any) -> None:
    """Deploy the receipt before the one in force, with its files as they were written then. Gated as any deploy."""
    from dataclasses import replace

    from glmprov.actions.deploy import Aborted
    from glmprov.actions.deploy import rollback as act

    terminal = terminal_for(options)
    orders = _orders(_NOTHING_SAID | options)
    fleet = load(options)
    try:
        with terminal.progress("rolling back") as said:
            results = act(
                fleet,
                name,
                replace(orders, command="rollback"),
                _confirmation(terminal, yes),
                said,
                terminal.event,
                told=_hook_input,
                interrupted=terminal.finishing,
            )
    except Aborted:
        click.echo("nothing was changed", err=True)
        leave(1)
    _report(terminal, results)


_NOTHING_SAID: dict[str, Any] = {
    "recipe": None, "name": None, "locked": False, "hub": None, "gpus": "", "port": None, "model": None,
    "weights": None, "sets": (), "as_published": False, "accept": (),
}  # fmt: skip
"""What rollback has no options for: a receipt decides it."""


def _orders(options: dict[str, Any]) -> DeployOrders:
    from glmprov.actions.changing.batches import parse_serial
    from glmprov.actions.changing.orders import HOOK_SECONDS, Orders
    from glmprov.actions.deploy import DeployOrders

    return DeployOrders(
        run=Orders(
            reason=options["reason"],
            serial=parse_serial(options["serial"]) if options["serial"] else (),
            max_fail_percentage=options["max_fail_percentage"],
            before=options["before"],
            after=options["after"],
            hook_seconds=options["hook_timeout"] or HOOK_SECONDS,
        ),
        recipe=options["recipe"],
        wanted=_wanted(options),
        named=options["name"] is not None,
        locked=options["locked"],
        hub=options["hub"],
        provision=again("provision", _about_hosts(options)),
    )


def _about_hosts(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that say which hosts and how to reach them, for a command that is named to a person."""
    return {**options, "before": "", "after": "", "hook_timeout": None, "reason": ""}


def _wanted(options: dict[str, Any]) -> Wanted:
    from glmprov.instance import DEFAULT_NAME, Wanted, parse_sets

    return Wanted(
        name=options["name"] or DEFAULT_NAME,
        gpus=options["gpus"],
        port=options["port"],
        model=options["model"],
        weights=options["weights"],
        sets=parse_sets(options["sets"]),
        as_published=options["as_published"],
        accepted=options["accept"],
    )


def _confirmation(terminal: Terminal, yes: bool) -> Callable[[Sequence[Deployment]], bool]:
    def confirm(works: Sequence[Deployment]) -> bool:
        from glmprov.report.console import show
        from glmprov.report.deploy import planned

        if not terminal.as_json:
            show(terminal.err, planned([work.told for work in works], verbose=terminal.verbose > 0))
        return yes or terminal.asked("Deploy this?")

    return confirm


def _nobody(_: Sequence[Deployment]) -> bool:
    """Answer for a person who only wants to see."""
    return False


def _report_plan(terminal: Terminal, works: Sequence[Deployment]) -> NoReturn:
    from glmprov.report.console import show
    from glmprov.report.deploy import as_json, planned
    from glmprov.results.codes import errors_code

    results = [work.told for work in works]
    code = errors_code(results)
    if terminal.as_json:
        click.echo(as_json(results, code))
    else:
        show(terminal.out, planned(results, verbose=terminal.verbose > 0))
    leave(code)


def _report(terminal: Terminal, works: Sequence[Deployment]) -> None:
    from glmprov.errors import ExitCode
    from glmprov.report.console import show
    from glmprov.report.deploy import as_json, deployed
    from glmprov.results.deploy import deploy_code

    results = [work.told for work in works]
    code = ExitCode.INTERRUPTED if terminal.interrupted else deploy_code(results)
    if terminal.as_json:
        click.echo(as_json(results, code))
    else:
        show(terminal.out, deployed(results, verbose=terminal.verbose > 0))
    leave(code)


def _hook_input(about: Any) -> str:
    from glmprov.report.json import hook_call

    return hook_call(about)
