"""What the commands that change hosts share: the run itself, with its questions, its progress and its report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import click

from glmprov.cli.options import leave
from glmprov.errors import ExitCode

if TYPE_CHECKING:
    from glmprov.actions.changing.orders import Orders
    from glmprov.actions.observe import Fleet
    from glmprov.results.hook import HookCall
    from glmprov.terminal import Terminal


def bring(
    report: str, doing: str, terminal: Terminal, fleet: Fleet, orders: Orders, *, yes: bool, **how: Any
) -> NoReturn:
    """Change the hosts and end the command. report names the report; how is passed on to actions.provision."""
    from glmprov.actions.provision import Aborted, provision
    from glmprov.results.provision import provision_code

    try:
        with terminal.progress(doing) as said:
            results = provision(
                fleet,
                orders,
                terminal.confirmation(yes, orders.allowed),
                said,
                terminal.event,
                told=_hook_input,
                interrupted=terminal.finishing,
                **how,
            )
    except Aborted:
        click.echo("nothing was changed", err=True)
        leave(ExitCode.FAILED)
    code = ExitCode.INTERRUPTED if terminal.interrupted else provision_code(results)
    leave(terminal.report(report, results, code))


def _hook_input(about: HookCall) -> str:
    from glmprov.report.json import hook_call

    return hook_call(about)
