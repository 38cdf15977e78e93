"""The group of commands about where instances serve."""

from __future__ import annotations

from typing import Any

import click

from glmprov.cli.group import main
from glmprov.cli.options import fleet_options, leave, load, terminal_for

FORMATS = ("table", "json", "prometheus-sd", "litellm", "nginx")


@main.group(short_help="Commands about where instances serve.")
def endpoint() -> None:
    """Say where instances serve: to a person, to Prometheus, and to what shares requests out."""


@endpoint.command("list")
@fleet_options
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="table", show_default=True, help="For whom."
)
def list_endpoints(form: str, **options: Any) -> None:
    """Show which instance serves where, with which model, reachable from where, and whether it is well.

    No key is printed: each lies in a file on its host. What a format leaves out is said on standard error. Exit 4 if
    a host couldn't be read.
    """
    from glmprov.actions.endpoint import endpoints
    from glmprov.report.console import show
    from glmprov.report.endpoints import endpoints_json, endpoints_text
    from glmprov.report.gateways import GATEWAYS
    from glmprov.results.codes import errors_code

    terminal = terminal_for(options)
    with terminal.progress("probing") as said:
        results = endpoints(load(options), said)
    code = errors_code(results)
    if options["as_json"] or form == "json":
        click.echo(endpoints_json(results, code))
    elif form == "table":
        show(terminal.out, endpoints_text(results))
    else:
        text, left = GATEWAYS[form](results)
        click.echo(text)
        for line in left:
            click.echo(line, err=True)
    leave(code)
