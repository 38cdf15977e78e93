"""Commands that look at recipes: list, show, render."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from glmprov.cli.recipe_options import library_for, name_argument, put, recipe_options, said_loudly
from glmprov.errors import UsageError

if TYPE_CHECKING:
    from glmprov.instance import Wanted
    from glmprov.recipe import Launch, Recipe


@click.command("list")
@recipe_options
def list_recipes(folders: tuple[str, ...], **options: Any) -> None:
    """Show all recipes: ours, and those of own folders."""
    from glmprov.report.recipe import recipes_json, recipes_text

    recipes = library_for(folders).recipes()
    if options["as_json"]:
        click.echo(recipes_json(recipes))
    else:
        put(recipes_text(recipes))


@click.command()
@recipe_options
@click.option("--published", is_flag=True, help="Print only what was published, word for word.")
@name_argument
def show(name: str, published: bool, folders: tuple[str, ...], **options: Any) -> None:
    """Show a recipe: what was published, every correction with its reason and source, and what is claimed."""
    from glmprov.report.recipe import recipe_json, recipe_text

    recipe = library_for(folders).find(name)
    if options["as_json"]:
        click.echo(recipe_json(recipe))
    else:
        put(recipe_text(recipe, published=published))


@click.command()
@recipe_options
@click.option("--as-published", is_flag=True, help="The published form, without the corrections.")
@click.option(
    "--set", "sets", multiple=True, metavar="FLAG=VALUE", help="Change a value; =null takes it away."
)
@click.option("--model", help="Another model: an id on the hub, or a folder.")
@click.option("--port", type=click.IntRange(1, 65535), help="Listen there.")
@click.option("-i", "--inventory", multiple=True, help="Print the files that its hosts would get.")
@click.option("-l", "--limit", help="Only for hosts that match this Ansible pattern.")
@click.option("--instance", help="The instance's name (default: glm, or the inventory's).")
@name_argument
def render(name: str, folders: tuple[str, ...], **options: Any) -> None:
    """Print the command that a recipe makes, for a shell; with -v also who set each value.

    With an inventory: unit, environment and gate exactly as each host would get them. Its hosts are looked at, and
    nothing is changed.
    """
    from glmprov.instance import Wanted
    from glmprov.instance.wanted import parse_sets
    from glmprov.report.recipe import rendered_json, rendered_text

    recipe = library_for(folders).find(name)
    if recipe.kind != "serve":
        _render_script(recipe, options)
        return
    if options["inventory"]:
        from glmprov.cli.deploying import render_on_hosts

        render_on_hosts(name, folders, options)
    wanted = Wanted(
        port=options["port"],
        model=options["model"],
        sets=parse_sets(options["sets"]),
        as_published=options["as_published"],
    )
    launch = _launch(recipe, wanted)
    if options["as_json"]:
        click.echo(rendered_json(recipe, launch))
    else:
        put(rendered_text(launch, origins=said_loudly(options)))


def _render_script(recipe: Recipe, options: dict[str, Any]) -> None:
    from glmprov.report.recipe import rendered_json, script_text

    if options["sets"] or options["model"] or options["port"]:
        raise UsageError(
            f"{recipe.name} is a script: --set, --model and --port have nothing to change in it",
            next_step="change what `glmprov recipe render` prints",
        )
    script = (
        recipe.published_text if options["as_published"] else recipe.corrected_text or recipe.published_text
    )
    if options["as_json"]:
        click.echo(rendered_json(recipe, None, script))
    else:
        put(script_text(script))


def _launch(recipe: Recipe, wanted: Wanted) -> Launch:
    """Return the launch that is asked for, as far as it is known without a host."""
    from glmprov.engines.meaning import engine_of
    from glmprov.instance.building import final
    from glmprov.recipe import Change, changed

    launch, _ = final(recipe, wanted)
    if wanted.model is None:
        return launch
    name = engine_of(launch).name_in(launch, "model")
    return launch if name is None else changed(launch, Change(arguments={name: wanted.model}), "--model")
