"""The command line: parse, load, call one action, render, exit code. Heavy imports wait for a command."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from glmprov import __version__
from glmprov.errors import ExitCode, GlmprovError, UsageError

if TYPE_CHECKING:
    from glmprov.actions.observe import Fleet
    from glmprov.terminal import Terminal

_FROM_ROOMS = {"lab": ("glmprov.lab.cli", "Rehearse on hosts with simulated GPUs.")}


class _Commands(click.Group):
    """Commands of this module, and of rooms that bring their own, imported only when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *_FROM_ROOMS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _FROM_ROOMS:
            return super().get_command(ctx, cmd_name)
        module, text = _FROM_ROOMS[cmd_name]
        if cmd_name not in (*sys.argv, *os.environ.get("COMP_WORDS", "").split()):
            return click.Command(cmd_name, short_help=text)
        command: click.Command = getattr(import_module(module), cmd_name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="glmprov")
@click.option("-v", "--verbose", count=True, help="Say more; -vv shows tracebacks.")
@click.pass_context
def main(ctx: click.Context, verbose: int) -> None:
    """Provision, check and audit servers with RTX PRO 6000 Blackwell cards.

    Start with `glmprov facts` to see a host, `glmprov plan` to see what would change, `glmprov provision`
    to change it and `glmprov audit` to see whether it stayed so.
    """
    ctx.obj = verbose


Command = Callable[..., Any]


def _stack(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_fleet_options = _stack(
    click.option("-i", "--inventory", multiple=True, help="Inventory: a path, or a name in ./inventories."),
    click.option("-l", "--limit", help="Only hosts that match this Ansible pattern."),
    click.option("-e", "--extra-vars", multiple=True, help="Variables that win over the inventory's."),
    click.option("-u", "--user", help="Connect as this user."),
    click.option("--private-key", type=click.Path(dir_okay=False), help="Connect with this key."),
    click.option(
        "-b/-B", "--become/--no-become", default=True, help="Become root on hosts (the default), or don't."
    ),
    click.option("-K", "--ask-become-pass", is_flag=True, help="Ask for the sudo password."),
    click.option("--vault-password-file", type=click.Path(), help="File or program with the vault password."),
    click.option("--ask-vault-pass", is_flag=True, help="Ask for the vault password."),
    click.option("-k", "--ask-pass", is_flag=True, help="Ask for the login password."),
    click.option(
        "--channel",
        type=click.Choice(["auto", "openssh", "paramiko"]),
        default="auto",
        envvar="GLMPROV_CHANNEL",
        show_default=True,
        help="How to reach hosts.",
    ),
    click.option("-f", "--forks", type=click.IntRange(1, 256), help="Hosts at a time (default: 16 a core)."),
    click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output."),
    click.option("-v", "--verbose", count=True, help="Say more; -vv shows tracebacks."),
)


def _load(options: dict[str, Any]) -> Fleet:
    """Given a command's options, return the hosts that it is about."""
    from glmprov import inventory
    from glmprov.actions.observe import Fleet
    from glmprov.remote import ConnectOptions
    from glmprov.remote.ansible_defaults import with_ansible_defaults
    from glmprov.secret import Secret

    def asked(flag: str, prompt: str) -> Secret | None:
        return Secret(click.prompt(prompt, hide_input=True, err=True)) if options[flag] else None

    password_file = options["vault_password_file"]
    hosts = inventory.load(
        inventory.locate(options["inventory"], Path.cwd(), os.environ),
        limit=options["limit"],
        vault_password_file=Path(password_file) if password_file else None,
        vault_password=asked("ask_vault_pass", "Vault password"),
        extra_vars=options["extra_vars"],
    )
    said = ConnectOptions(
        user=options["user"],
        private_key=options["private_key"],
        password=asked("ask_pass", "SSH password"),
        become=options["become"],
        become_password=asked("ask_become_pass", "BECOME password"),
        channel=options["channel"],
    )
    connection = with_ansible_defaults(said, Path.cwd(), os.environ)
    return Fleet(hosts, connection, options["forks"])


def _terminal(options: dict[str, Any]) -> Terminal:
    from glmprov.terminal import Terminal

    return Terminal(
        as_json=options["as_json"],
        verbose=click.get_current_context().obj + options["verbose"],
        diff=options.get("diff", False),
        check=options.get("check", False),
    )


def _exit(code: int) -> NoReturn:
    click.get_current_context().exit(code)


@main.command(short_help="Show each host: cards, limits, sockets, PCIe, P2P.")
@_fleet_options
def facts(**options: Any) -> None:
    """Show each host: cards and editions, limits, sockets, PCIe, P2P, sets."""
    from glmprov.actions.facts import facts as look
    from glmprov.results import errors_code

    terminal = _terminal(options)
    with terminal.progress("probing") as said:
        results = look(_load(options), said)
    _exit(terminal.report("facts", results, errors_code(results)))


@main.command()
@_fleet_options
@click.option("--exit-code", is_flag=True, help="Exit 3 if anything would change.")
def plan(exit_code: bool, **options: Any) -> None:
    """Show what provisioning would change, and why."""
    from glmprov.actions.plan import plan as review
    from glmprov.results import plan_code

    terminal = _terminal(options)
    with terminal.progress("probing") as said:
        reviews = review(_load(options), said)
    _exit(terminal.report("plan", reviews, plan_code(reviews, exit_code)))


@main.command(short_help="Say what is not as applied or declared.")
@_fleet_options
@click.option(
    "--fail-on", help="What counts for the exit code: drift,pending,unknown,unreachable (default all)."
)
def audit(fail_on: str | None, **options: Any) -> None:
    """Hold each host against what was applied and what the inventory declares. Exit 3 on drift."""
    from glmprov.actions.audit import audit as review
    from glmprov.results import FailOn, audit_code

    try:
        counted = (
            frozenset(FailOn(word.strip()) for word in fail_on.split(",")) if fail_on else frozenset(FailOn)
        )
    except ValueError as error:
        raise UsageError(
            f"--fail-on: {str(error).split(' is ')[0]} is no such thing",
            next_step=f"choose from {','.join(FailOn)}",
        ) from error
    terminal = _terminal(options)
    with terminal.progress("probing") as said:
        reviews = review(_load(options), said)
    _exit(terminal.report("audit", reviews, audit_code(reviews, counted)))


@main.command(short_help="Bring each host to its plan.")
@_fleet_options
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

    terminal = _terminal(options)
    names = ("check", "diff", "reboot", "reason", "forgotten")
    orders = Orders(**{name: options[name] for name in names})
    fleet = _load(options)
    try:
        with terminal.progress("provisioning") as said:
            results = bring(fleet, orders, terminal.confirmation(yes), said, terminal.event)
    except Aborted:
        click.echo("nothing was changed", err=True)
        _exit(ExitCode.FAILED)
    _exit(terminal.report("provision", results, provision_code(results)))


@main.group()
def host() -> None:
    """Trust hosts."""


@host.command()
@_fleet_options
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@click.option("--replace", is_flag=True, help="Replace a key that has changed.")
@click.argument("names", nargs=-1)
def trust(names: tuple[str, ...], yes: bool, replace: bool, **options: Any) -> None:
    """Fetch the keys of hosts, show their fingerprints, and write them to known_hosts."""
    from glmprov.actions.trust import trust as scan
    from glmprov.results import errors_code

    terminal = _terminal(options)
    options["limit"] = ",".join(names) or options["limit"]
    results = scan(_load(options), terminal.key_confirmation(yes), replace=replace)
    _exit(terminal.report("trust", results, errors_code(results)))


@main.group()
def lock() -> None:
    """See or remove the lock that a running change holds on a host."""


def _lock_command(name: str, text: str) -> None:
    @lock.command(name, help=text)
    @_fleet_options
    @click.argument("names", nargs=-1)
    def command(names: Sequence[str], **options: Any) -> None:
        from glmprov.actions import lock as locks
        from glmprov.results import errors_code

        options["limit"] = ",".join(names) or options["limit"]
        results = getattr(locks, name)(_load(options))
        _exit(_terminal(options).report("locks", results, errors_code(results)))


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


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code. The only place that catches errors."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        result = main(
            list(arguments), prog_name="glmprov", standalone_mode=False, complete_var="_GLMPROV_COMPLETE"
        )
        return int(result) if isinstance(result, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except GlmprovError as error:
        _tell(error, "--json" in arguments)
        return int(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return int(ExitCode.INTERRUPTED)
    except Exception as error:  # the last line of defense: a person gets a sentence, -vv the traceback
        fault = GlmprovError(
            f"a fault of glmprov itself: {type(error).__name__}: {error}",
            next_step="run it again with -vv, and report what it prints",
        )
        _tell(fault, "--json" in arguments)
        return int(ExitCode.FAILED)


def _tell(error: GlmprovError, as_json: bool) -> None:
    """Say an error; called while it is handled, so that -vv can show where it came from."""
    if as_json:
        from glmprov.report.json import failure

        click.echo(failure(error))
    click.echo(f"glmprov: {error}", err=True)
    if error.next_step:
        click.echo(f"next: {error.next_step}", err=True)
    if sum(word.count("v") for word in sys.argv if re.fullmatch("-v+", word)) > 1:
        traceback.print_exc()
