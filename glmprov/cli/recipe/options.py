"""What the commands about recipes share: where recipes lie, and how the answer is printed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from glmprov.cli.options import stack

if TYPE_CHECKING:
    from glmprov.recipe.library import Library

folders_option = click.option(
    "--recipes",
    "folders",
    multiple=True,
    metavar="DIR",
    help="A folder of own recipes (default: $GLMPROV_RECIPES, or ./recipes).",
)


def _completed(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    from glmprov.errors import GlmprovError

    try:
        recipes = library_for(ctx.params.get("folders") or ()).readable()[0]
    except GlmprovError:
        return []
    names = (name for each in recipes for name in (each.name, each.alias))
    return [name for name in names if name and name.startswith(incomplete)]


name_argument = click.argument("name", shell_complete=_completed)
recipe_options = stack(
    folders_option,
    click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output."),
    click.option("-v", "--verbose", count=True, help="Say more; -vv shows tracebacks."),
)


def library_for(folders: Sequence[str]) -> Library:
    """Return the recipes that a command may name."""
    from glmprov.recipe.library import library

    return library(folders, Path.cwd(), os.environ)


def said_loudly(options: dict[str, Any]) -> bool:
    """Say whether more is wanted than the usual."""
    return bool(click.get_current_context().obj + options["verbose"])


def put(blocks: Iterable[Any]) -> None:
    """Print what a person reads, as the report made it."""
    from glmprov.report.console import console, show

    show(console(sys.stdout), blocks)
