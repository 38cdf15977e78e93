"""Commands that make recipes: import, new."""

from __future__ import annotations

import datetime
import sys
from typing import TYPE_CHECKING

import click

from glmprov.errors import UsageError

if TYPE_CHECKING:
    from typing import TextIO


@click.command("import")
@click.option("--name", default="imported", show_default=True, help="The recipe's name.")
@click.option("--author", default="unknown", show_default=True, help="Who published the command.")
@click.option("--date", type=click.DateTime(["%Y-%m-%d"]), help="When it was published (default: today).")
@click.option("--source", default="pasted", help="Where it was published.")
@click.option("--model", help="The model's id on the hub, if the command names a folder.")
@click.argument("file", type=click.File("r", encoding="utf-8"), default="-")
def import_recipe(
    file: TextIO, name: str, author: str, date: datetime.datetime | None, source: str, model: str | None
) -> None:
    """Make a recipe of a command, a compose file or a systemd unit: from FILE, or pasted. Prints the recipe.

    A command is `docker run …`, `vllm serve …` or `python -m sglang.launch_server …`; prompts, comments, exports and
    wrappers may stand around it. What is left out or not understood stands in the recipe as a comment.
    """
    from glmprov.actions.recipe.importing import Head, recipe_import

    if file is sys.stdin and sys.stdin.isatty():
        click.echo("Paste the command and end with Ctrl-D on a line of its own.", err=True)
    said = getattr(file, "name", "<stdin>")
    place = "standard input" if said == "<stdin>" else said
    try:
        text = file.read()
    except UnicodeDecodeError as error:
        raise UsageError("no text", place=place) from error
    day = date.date() if date else datetime.date.today()
    click.echo(recipe_import(text, place, Head(name, author, day, source, model)), nl=False)


@click.command()
@click.argument("name", default="my-recipe")
def new(name: str) -> None:
    """Print a recipe to begin with: every key that is usual, with what it means."""
    from glmprov.recipe.template import template

    click.echo(template(name, datetime.date.today()), nl=False)
