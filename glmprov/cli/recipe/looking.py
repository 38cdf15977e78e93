"""Commands that look at recipes: list, show, render."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import click

from glmprov.cli.again import again
from glmprov.cli.options import fleet_options, leave, load, terminal_for
from glmprov.cli.recipe.options import (
    folders_option,
    library_for,
    name_argument,
    put,
    recipe_options,
    said_loudly,
)
from glmprov.errors import UsageError

if TYPE_CHECKING:
    from glmprov.instance import Wanted
    from glmprov.recipe import Launch, Recipe


@click.command("list")
@recipe_options
def list_recipes(folders: tuple[str, ...], **options: Any) -> None:
    """Show all recipes: ours, and those of own folders."""
    from glmprov.report.recipe import recipes_json, recipes_text

    recipes, fault = library_for(folders).readable()
    if not options["as_json"]:
        put(recipes_text(recipes))
    if fault is not None:
        raise fault
    if options["as_json"]:
        click.echo(recipes_json(recipes))


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
@folders_option
@click.option("--as-published", is_flag=True, help="The published form, without the corrections.")
@click.option(
    "--set", "sets", multiple=True, metavar="FLAG=VALUE", help="Change a value; =null takes it away."
)
@click.option("--model", help="Another model: an id on the hub, or a folder.")
@click.option("--port", type=click.IntRange(1, 65535), help="Listen there.")
@click.option("--gpus", default="", metavar="CARDS", help="On a host: UUIDs, a set's name, or how many.")
@click.option("--name", "instance", help="On a host: the instance's name.")
@click.option("--locked", is_flag=True, help="On a host: only what recipe.lock says; resolve nothing.")
@click.option("--hub", metavar="URL", help="On a host: resolve the model there.")
@fleet_options
@name_argument
def render(name: str, folders: tuple[str, ...], **options: Any) -> None:
    """Print the command that a recipe makes, for a shell; with -v also who set each value.

    With -i or -l: unit, environment and argv exactly as `deploy` would give them to each of these hosts, for the
    instance that the inventory declares. Hosts are read, nothing is changed; {key} stands for the key.
    """
    from glmprov.instance.wanted import DEFAULT_NAME, Wanted, parse_sets
    from glmprov.report.recipe import rendered_json, rendered_text

    recipe = library_for(folders).find(name)
    wanted = Wanted(
        name=options["instance"] or DEFAULT_NAME,
        gpus=options["gpus"],
        port=options["port"],
        model=options["model"],
        sets=parse_sets(options["sets"]),
        as_published=options["as_published"],
    )
    if recipe.kind == "serve" and (options["inventory"] or options["limit"]):
        _render_on_hosts(name, folders, wanted, options)
    only_there = [f"--{each}" for each in ("gpus", "locked", "hub") if options[each]]
    if only_there or options["instance"]:
        raise UsageError(
            f"{', '.join(only_there or ['--name'])}: that is about a host; say which with -i and -l"
        )
    if recipe.kind != "serve":
        _render_script(recipe, options)
        return
    launch = _launch(recipe, wanted)
    if options["as_json"]:
        click.echo(rendered_json(recipe, launch))
    else:
        put(rendered_text(launch, origins=said_loudly(options)))


def _render_on_hosts(
    name: str, folders: tuple[str, ...], wanted: Wanted, options: dict[str, Any]
) -> NoReturn:
    from pathlib import Path

    from glmprov.actions.deploy.orders import DeployOrders
    from glmprov.actions.recipe.render import recipe_render
    from glmprov.errors import worst
    from glmprov.report.rendered import remarks, rendered, rendered_hosts_json

    orders = DeployOrders(
        recipe=name,
        wanted=wanted,
        named=options["instance"] is not None,
        locked=options["locked"],
        hub=options["hub"],
        provision=again("provision", options),
    )
    terminal = terminal_for(options)
    with terminal.progress("probing") as said:
        results = recipe_render(load(options), orders, library_for(folders), said, Path.cwd())
    code = worst([each.error.exit_code for each in results if each.error])
    if options["as_json"]:
        click.echo(rendered_hosts_json(results, code))
    else:
        click.echo("\n".join(rendered(results)), nl=False)
        for line in remarks(results):
            click.echo(line, err=True)
    leave(code)


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
