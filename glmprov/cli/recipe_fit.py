"""`glmprov recipe fit` and `glmprov recipe suggest`: what fits, before a host is touched."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from glmprov.cli.options import fleet_options, leave, load, terminal_for
from glmprov.errors import ExitCode

if TYPE_CHECKING:
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
@click.option("--recipes", "folders", multiple=True, help="A folder of own recipes.")
@fleet_options
def fit(
    name: str,
    gpus: int | None,
    card: str,
    sets: tuple[str, ...],
    as_published: bool,
    context: int | None,
    folders: tuple[str, ...],
    **options: Any,
) -> None:
    """Say whether a recipe fits, on cards that you name or on the hosts of an inventory. Exit 1: it doesn't.

    NAME is a recipe's name, its alias, or a path.
    """
    recipe, launch = _asked(name, sets, as_published, folders)
    form = "as published" if as_published else "corrected"
    if gpus is None and not card:
        _on_hosts(recipe, launch, form, context, options)
    _on_cards(recipe, launch, form, gpus, card, context, options["as_json"])


def _asked(
    name: str, sets: tuple[str, ...], as_published: bool, folders: tuple[str, ...]
) -> tuple[Recipe, Launch]:
    from glmprov.errors import UsageError
    from glmprov.recipe.library import library

    recipe = library(folders, Path.cwd(), os.environ).find(name)
    if recipe.kind != "serve":
        raise UsageError(
            f"{recipe.name} quantizes a model and serves none", next_step=recipe.instead.get("fit")
        )
    launch = recipe.published if as_published else recipe.corrected
    if sets:
        from glmprov.instance.wanted import given, parse_sets

        launch = given(launch, parse_sets(sets), "--set")
    return recipe, launch


def _on_cards(
    recipe: Recipe, launch: Launch, form: str, gpus: int | None, card: str, context: int | None, as_json: bool
) -> None:
    from glmprov.fit import alternatives, asked_by, model_of
    from glmprov.fit import fit as held
    from glmprov.fit.cards import card_named

    asked = asked_by(launch)
    model, reasons = model_of(asked.model, recipe.model)
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
    from glmprov.actions.recipe_fit import recipe_fit
    from glmprov.results import fit_code

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
