"""`glmprov recipe lock`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from glmprov.cli.options import fleet_options, load, terminal_for
from glmprov.cli.recipe.options import library_for


@click.command(short_help="Resolve tag and model to digest and revision; write recipe.lock.")
@fleet_options
@click.option(
    "--recipes",
    "folders",
    multiple=True,
    metavar="DIR",
    help="A folder of own recipes (default: $GLMPROV_RECIPES, or ./recipes).",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write there (default: recipe.lock beside the recipe).",
)
@click.option(
    "--hub", metavar="URL", help="Ask this model hub (default: $HF_ENDPOINT, or https://huggingface.co)."
)
@click.argument("name")
def lock(name: str, folders: tuple[str, ...], out: Path | None, hub: str | None, **options: Any) -> None:
    """Resolve what moves in a recipe: image tag to digest, model to a commit with every file's size and sum.

    The first host that matches asks registry and hub, so its mirrors, logins and proxies count. Nothing is fetched.
    A token for gated models is taken from $HF_TOKEN.
    """
    from glmprov.actions.recipe.lock import recipe_lock
    from glmprov.report.lock import locked_json, locked_text

    recipe = library_for(folders).find(name)
    terminal = terminal_for(options)
    with terminal.progress("resolving") as said:
        locked = recipe_lock(load(options), recipe, out=out, hub_url=hub, said=said)
    text = locked_json if options["as_json"] else locked_text
    click.echo(text(locked.lock, locked.path, locked.before))
