"""`glmprov recipe fit` and `glmprov recipe suggest`: what fits, before a host is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from glmprov.cli.options import fleet_options, leave, load, terminal_for
from glmprov.cli.recipe.options import folders_option, library_for
from glmprov.errors import ExitCode

if TYPE_CHECKING:
    from glmprov.fit.suggesting import Purpose
    from glmprov.recipe import Launch, Recipe


@click.command(short_help="Say whether a recipe fits on cards, and with how much context.")
@click.argument("name")
@click.option("--gpus", type=click.IntRange(1, 64), help="On so many cards that nobody has to reach.")
@click.option(
    "--card", default="", help="Which cards: NVML's name, or the edition (Server, Workstation, Max-Q)."
)
@click.option(
    "--set", "sets", multiple=True, metavar="FLAG=VALUE", help="Change the launch; null takes away."
)
@click.option("--as-published", is_flag=True, help="The command as its author published it.")
@click.option(
    "--context", type=click.IntRange(1), metavar="TOKENS", help="The longest prompt that must be admitted."
)
@click.option(
    "--model", help="Another model: an id on the hub, or a folder here with its config.json and shards."
)
@folders_option
@fleet_options
def fit(
    name: str,
    gpus: int | None,
    card: str,
    context: int | None,
    folders: tuple[str, ...],
    **options: Any,
) -> None:
    """Say whether a recipe fits, on cards that you name or on the hosts of an inventory. Exit 1: it doesn't.

    NAME is a recipe's name, its alias, or a path.
    """
    recipe, launch = _asked(name, folders, options)
    form = "as published" if options["as_published"] else "corrected"
    if gpus is None and not card:
        _on_hosts(recipe, launch, form, context, options)
    _on_cards(recipe, launch, form, gpus, card, context, options["as_json"])


def _asked(name: str, folders: tuple[str, ...], options: dict[str, Any]) -> tuple[Recipe, Launch]:
    """Return the recipe, and the form of its launch that is asked for."""
    from glmprov.errors import UsageError

    recipe = library_for(folders).find(name)
    if recipe.kind != "serve":
        raise UsageError(
            f"{recipe.name} quantizes a model and serves none", next_step=recipe.instead.get("fit")
        )
    launch = recipe.published if options["as_published"] else recipe.corrected
    if options["sets"]:
        from glmprov.instance.wanted import given, parse_sets

        launch = given(launch, parse_sets(options["sets"]), "--set")
    if options["model"]:
        from glmprov.engines.meaning import engine_of
        from glmprov.recipe import Change, changed

        argument = engine_of(launch).name_in(launch, "model") or ""
        launch = changed(launch, Change(arguments={argument: options["model"]}), "--model")
    return recipe, launch


def _on_cards(
    recipe: Recipe, launch: Launch, form: str, gpus: int | None, card: str, context: int | None, as_json: bool
) -> None:
    from glmprov.actions.recipe.model_folder import model_for
    from glmprov.fit import alternatives, asked_by
    from glmprov.fit import fit as held
    from glmprov.fit.cards import card_named

    asked = asked_by(launch)
    model, reasons = model_for(asked.model, recipe.model)
    named, memory = card_named(card)
    there = gpus or asked.layout.gpus
    found = held(model, asked, memory, gpus=there, wanted_tokens=context, reasons=reasons)
    splits = alternatives(found, there)
    code = ExitCode.DONE if found.fits else ExitCode.FAILED
    from glmprov.report.fit import fit_document, fit_text

    if as_json:
        click.echo(fit_document(recipe, form, found, named, splits, code))
    else:
        click.echo(fit_text(recipe, form, found, named, splits))
    leave(code)


def _on_hosts(
    recipe: Recipe, launch: Launch, form: str, context: int | None, options: dict[str, Any]
) -> None:
    from glmprov.actions.recipe.fit import recipe_fit
    from glmprov.results.fit import fit_code

    terminal = terminal_for(options)
    with terminal.progress("probing") as said:
        results = recipe_fit(load(options), recipe, launch, context, said)
    code = fit_code(results)
    from glmprov.report.fit.hosts import hosts_document, hosts_text

    if options["as_json"]:
        click.echo(hosts_document(recipe, form, results, code))
    else:
        click.echo(hosts_text(recipe, form, results, terminal.verbose > 0))
    leave(code)


@click.command(short_help="Say what is recommended for a purpose, and what of it fits.")
@click.option(
    "--for",
    "purpose",
    type=click.Choice(["quality", "speed", "code", "users"]),
    required=True,
    help="What counts most.",
)
@click.option("--gpus", type=click.IntRange(1, 64), help="On so many cards that nobody has to reach.")
@click.option(
    "--card", default="", help="Which cards: NVML's name, or the edition (Server, Workstation, Max-Q)."
)
@fleet_options
def suggest(purpose: str, gpus: int | None, card: str, **options: Any) -> None:
    """Say which recipe is recommended, what was measured for and against that, and what of it fits.

    On cards that you name, or on the hosts of an inventory. Exit 1: nothing recommended fits.
    """
    from glmprov.fit.suggesting import suggestions
    from glmprov.recipe.reading import read_shipped

    row = suggestions().purposes[purpose]
    recipes = [read_shipped(name) for name in row.recipes]
    if gpus is None and not card:
        _suggest_on_hosts(row, recipes, options)
    from glmprov.fit.cards import card_named
    from glmprov.fit.suggesting import kinds_on, offers
    from glmprov.report.fit.suggested import offers_document, offers_text

    name, memory = card_named(card)
    there = gpus or 4
    found = offers(recipes, memory, there)
    kinds = tuple(kinds_on(found[0].recipe, memory, there))
    code = ExitCode.DONE if found[0].found.fits else ExitCode.FAILED
    write = offers_document(row, f"{there} × {name}", found, kinds, code) if options["as_json"] else None
    click.echo(write or offers_text(row, f"{there} × {name}", found, kinds))
    leave(code)


def _suggest_on_hosts(row: Purpose, recipes: list[Recipe], options: dict[str, Any]) -> None:
    from glmprov.actions.recipe.fit import recipe_suggest
    from glmprov.report.fit.suggested import hosts_document, hosts_text
    from glmprov.results.fit import offers_code

    terminal = terminal_for(options)
    with terminal.progress("probing") as said:
        results = recipe_suggest(load(options), recipes, said)
    code = offers_code(results)
    click.echo(hosts_document(row, results, code) if options["as_json"] else hosts_text(row, results))
    leave(code)
