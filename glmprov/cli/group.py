"""The group that all commands belong to."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module

import click

from glmprov import __version__

_FROM_ROOMS = {"lab": ("glmprov.lab.cli", "Rehearse on hosts with simulated GPUs.")}


class Lazy(click.Group):
    """Commands that lie in modules of their own and are imported when they are called.

    lazy holds module, name in it, and the line of help that stands for the command until then.
    """

    lazy: Mapping[str, tuple[str, str, str]] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order in which they are declared."""
        return [*self.lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, imported now."""
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        module, name, _ = self.lazy[cmd_name]
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands of the help, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in self.lazy.items()])


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
