"""`glmprov deploy` and `glmprov rollback`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import click

from glmprov.cli.deploy_options import NOTHING_SAID, batch_options, instance_options, orders_of
from glmprov.cli.group import main
from glmprov.cli.options import fleet_options, leave, load, terminal_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from glmprov.actions.deploy import Deployment
    from glmprov.terminal import Terminal


@main.command(short_help="Bring a recipe to hosts as a service that answers.")
@fleet_options
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@click.option("-C", "--check", is_flag=True, help="Show what would be done, and why; change nothing.")
@instance_options
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
    orders, library = orders_of(options), library_for(options["folders"])
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
    orders = orders_of(NOTHING_SAID | options)
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
