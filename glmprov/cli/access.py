"""Commands about the way to hosts and who works there: host trust, lock; and shell completion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from glmprov.cli.group import main
from glmprov.cli.options import fleet_options, leave, load, terminal_for
from glmprov.errors import UsageError


@main.group()
def host() -> None:
    """Trust hosts."""


@host.command()
@fleet_options
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@click.option("--replace", is_flag=True, help="Replace a key that has changed.")
@click.argument("names", nargs=-1)
def trust(names: tuple[str, ...], yes: bool, replace: bool, **options: Any) -> None:
    """Fetch the keys of hosts, show their fingerprints, and write them to known_hosts."""
    from glmprov.actions.trust import trust as scan
    from glmprov.results.codes import errors_code

    terminal = terminal_for(options)
    options["limit"] = ",".join(names) or options["limit"]
    results = scan(load(options), terminal.key_confirmation(yes), replace=replace)
    leave(terminal.report("trust", results, errors_code(results)))


@main.group()
def lock() -> None:
    """See or remove the lock that a running change holds on a host."""


def _lock_command(name: str, text: str) -> None:
    @lock.command(name, help=text)
    @fleet_options
    @click.argument("names", nargs=-1)
    def command(names: Sequence[str], **options: Any) -> None:
        from glmprov.actions import lock as locks
        from glmprov.results.codes import errors_code

        options["limit"] = ",".join(names) or options["limit"]
        results = getattr(locks, name)(load(options))
        leave(terminal_for(options).report("locks", results, errors_code(results)))


_lock_command("status", "Say who is changing each host, since when and why.")
_lock_command("release", "Remove the lock of each host, whoever holds it.")


@main.command(short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell: eval "$(glmprov completion bash)"."""
    from click.shell_completion import get_completion_class

    its_class = get_completion_class(shell)
    if its_class is None:
        raise UsageError(f"no completion for {shell}")
    click.echo(its_class(main, {}, "glmprov", "_GLMPROV_COMPLETE").source())
