"""`glmprov recipe lint`: what is wrong or unwise with a recipe, before a host is touched."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from glmprov.cli.options import fleet_options, leave, load, terminal_for

if TYPE_CHECKING:
    from glmprov.instance import Wanted
    from glmprov.lint.linted import Linted
    from glmprov.recipe import Recipe


@click.command(short_help="Say what is wrong or unwise with a recipe.")
@click.argument("name")
@click.option("--as-published", is_flag=True, help="The published form, without the corrections.")
@click.option("--accept", "accepted", multiple=True, metavar="ID", help="Accept this rule, on the record.")
@click.option(
    "--fail-on",
    type=click.Choice(["refuse", "warn", "unknown", "note"]),
    default="refuse",
    show_default=True,
    help="What makes the exit code 1: this, or worse.",
)
@click.option("--gpus", type=click.IntRange(1, 64), help="For so many cards that nobody has to reach.")
@click.option(
    "--card", default="", help="For these cards: NVML's name, or the edition (Server, Workstation, Max-Q)."
)
@click.option("--driver", help="For this driver, 580.105.08 say.")
@click.option(
    "--set", "sets", multiple=True, metavar="FLAG=VALUE", help="Change a value; =null takes it away."
)
@click.option("--model", help="Another model: an id on the hub, or a folder.")
@click.option("--recipes", "folders", multiple=True, metavar="DIR", help="A folder of own recipes.")
@fleet_options
def lint(name: str, folders: tuple[str, ...], fail_on: Any, **options: Any) -> None:
    """Say what is wrong or unwise with a recipe, for its release of the engine and your cards.

    NAME is a recipe's name, its alias, or a path. Without -i, --gpus or --card it is judged for any host that the
    recipe may run on. Exit 1: a refusal that isn't accepted.
    """
    from glmprov.lint.linted import lint_code

    recipe, wanted = _asked(name, folders, options)
    on_hosts = options["inventory"] and options["gpus"] is None and not options["card"]
    results = _on_hosts(recipe, wanted, options) if on_hosts else [_on_cards(recipe, wanted, options)]
    code = lint_code(results, fail_on)
    from glmprov.report.lint import lint_json, lint_text

    if options["as_json"]:
        click.echo(lint_json(results, int(code)))
    else:
        loud = bool(click.get_current_context().obj + options["verbose"])
        click.echo("\n\n\n".join(lint_text(each, verbose=loud) for each in results))
    leave(code)


def _asked(name: str, folders: tuple[str, ...], options: dict[str, Any]) -> tuple[Recipe, Wanted]:
    from glmprov.instance import Wanted
    from glmprov.instance.wanted import parse_sets
    from glmprov.recipe.library import library

    recipe = library(folders, Path.cwd(), os.environ).find(name)
    wanted = Wanted(
        model=options["model"],
        sets=parse_sets(options["sets"]),
        as_published=options["as_published"],
        accepted=options["accepted"],
    )
    return recipe, wanted


def _on_cards(recipe: Recipe, wanted: Wanted, options: dict[str, Any]) -> Linted:
    from glmprov.actions.recipe_lint import lint_recipe
    from glmprov.lint import Target

    cards: tuple[str, ...] = ()
    if options["card"]:
        from glmprov.fit.cards import card_named

        cards = (card_named(options["card"])[0],)
    return lint_recipe(recipe, wanted, Target(options["gpus"], cards, options["driver"]))


def _on_hosts(recipe: Recipe, wanted: Wanted, options: dict[str, Any]) -> list[Linted]:
    from glmprov.actions.recipe_lint_hosts import lint_on_hosts

    terminal = terminal_for(options)
    with terminal.progress("probing") as said:
        return lint_on_hosts(load(options), recipe, wanted, said)
