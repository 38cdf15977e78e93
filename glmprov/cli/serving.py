"""The commands about what was deployed: status, stop, start, remove, logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from glmprov.cli.group import main
from glmprov.cli.options import fleet_options, leave, load, terminal_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from glmprov.terminal import Terminal


@main.command(short_help="Show the instances of each host as they are.")
@fleet_options
@click.argument("name", required=False)
def status(name: str | None, **options: Any) -> None:
    """Show the instances of each host: recipe, state, port, receipt, and what isn't as it was deployed."""
    from glmprov.actions.instances import status as look

    terminal = terminal_for(options)
    with terminal.progress("probing") as said:
        results = look(load(options), name, said)
    _report_instances(terminal, results)


@main.command(short_help="Stop an instance until the next boot.")
@fleet_options
@click.argument("name")
def stop(name: str, **options: Any) -> None:
    """Stop an instance on every host that has it. It starts again at the next boot."""
    from glmprov.actions.instances import stop as act

    _on_instances(act, "stopping", name, options)


@main.command(short_help="Start an instance and wait until it answers.")
@fleet_options
@click.argument("name")
def start(name: str, **options: Any) -> None:
    """Start an instance on every host that has it, and wait until it has produced tokens. Exit 5 if it doesn't."""
    from glmprov.actions.instances import start as act

    _on_instances(act, "starting", name, options)


@main.command(short_help="Take an instance away; image and weights stay.")
@fleet_options
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@click.argument("name")
def remove(name: str, yes: bool, **options: Any) -> None:
    """Stop an instance and remove its unit, its files, its key and its receipts. Image and weights stay."""
    from glmprov.actions.instances import remove as act

    terminal = terminal_for(options)
    if not (yes or terminal.asked(f"Remove {name}, with its key and its receipts?")):
        click.echo("nothing was changed", err=True)
        leave(1)
    _on_instances(act, "removing", name, options, terminal)


def _on_instances(
    act: Callable[..., Any], doing: str, name: str, options: dict[str, Any], terminal: Terminal | None = None
) -> None:
    terminal = terminal or terminal_for(options)
    with terminal.progress(doing) as said:
        results = act(load(options), name, said)
    _report_instances(terminal, results)


def _report_instances(terminal: Terminal, results: Sequence[Any]) -> None:
    from glmprov.report.console import show
    from glmprov.report.instances import as_json, instances
    from glmprov.results.codes import errors_code

    code = errors_code(results)
    if terminal.as_json:
        click.echo(as_json(results, code))
    else:
        show(terminal.out, instances(results, verbose=terminal.verbose > 0))
    leave(code)


def _forks_in_full(command: click.Command) -> click.Command:
    """Take -f from --forks: of a log it means to follow it, as everywhere."""
    for parameter in command.params:
        if parameter.name == "forks":
            parameter.opts = ["--forks"]
    return command


@_forks_in_full
@main.command(short_help="Show the log of an instance.")
@fleet_options
@click.option(
    "-n", "--lines", type=click.IntRange(0), default=100, show_default=True, help="So many lines, the last."
)
@click.option("-f", "--follow", is_flag=True, help="Go on as it comes, until Ctrl-C.")
@click.argument("name", default="glm")
def logs(name: str, lines: int, follow: bool, **options: Any) -> None:
    """Show what an instance and its gate said: the last lines, or as it comes."""
    from glmprov.actions.instances import logs as read

    fleet = load(options)
    several = len(fleet.hosts) > 1

    def heard(host: str, line: str) -> None:
        click.echo(f"{host}: {line}" if several else line)

    for _, error in read(fleet, name, lines, follow, heard):
        raise error
