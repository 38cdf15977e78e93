"""What the commands share: options about hosts and how to reach them, and what is made of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from glmprov.actions.observe import Fleet
    from glmprov.terminal import Terminal

Command = Callable[..., Any]


def stack(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return the decorator that gives a command all the options, in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


fleet_options = stack(
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
        type=click.Choice(["auto", "openssh", "libssh2", "paramiko"]),
        default="auto",
        envvar="GLMPROV_CHANNEL",
        show_default=True,
        help="How to reach hosts.",
    ),
    click.option("-f", "--forks", type=click.IntRange(1, 256), help="Hosts at a time (default: 16 a core)."),
    click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output."),
    click.option("-v", "--verbose", count=True, help="Say more; -vv shows tracebacks."),
)

change_options = stack(
    click.option("-y", "--yes", is_flag=True, help="Don't ask."),
    click.option("-C", "--check", is_flag=True, help="Let Ansible say what it would do; change nothing."),
    click.option("-D", "--diff", is_flag=True, help="Show how files change."),
)

allow_option = click.option(
    "--allow",
    "allow",
    multiple=True,
    metavar="CLASSES",
    help="What may be interrupted while an instance serves: service,docker,driver,reboot, or all.",
)


def load(options: dict[str, Any]) -> Fleet:
    """Given a command's options, return the hosts that it is about."""
    from glmprov import inventory
    from glmprov.actions.observe import Fleet
    from glmprov.remote import ConnectOptions
    from glmprov.remote.ansible_defaults import with_ansible_defaults
    from glmprov.secret import Secret

    def asked(flag: str, prompt: str) -> Secret | None:
        return Secret(click.prompt(prompt, hide_input=True, err=True)) if options[flag] else None

    password_file = options["vault_password_file"]
    sources = inventory.locate(options["inventory"], Path.cwd(), os.environ)
    in_inventory = partial(
        inventory.load,
        sources,
        vault_password_file=Path(password_file) if password_file else None,
        vault_password=asked("ask_vault_pass", "Vault password"),
        extra_vars=options["extra_vars"],
    )
    hosts = in_inventory(limit=options["limit"])
    said = ConnectOptions(
        user=options["user"],
        private_key=options["private_key"],
        password=asked("ask_pass", "SSH password"),
        become=options["become"],
        become_password=asked("ask_become_pass", "BECOME password"),
        channel=options["channel"],
    )
    connection = with_ansible_defaults(said, Path.cwd(), os.environ)
    return Fleet(hosts, connection, options["forks"], sources, in_inventory if options["limit"] else None)


def terminal_for(options: dict[str, Any]) -> Terminal:
    """Given a command's options, return its way to its person."""
    from glmprov.terminal import Terminal

    return Terminal(
        as_json=options["as_json"],
        verbose=click.get_current_context().obj + options["verbose"],
        diff=options.get("diff", False),
        check=options.get("check", False),
    )


def leave(code: int) -> NoReturn:
    """End the command with an exit code."""
    click.get_current_context().exit(code)
