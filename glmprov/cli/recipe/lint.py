"""`glmprov recipe lint`: what is wrong or unwise with a recipe, before a host is touched."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from glmprov.cli.options import fleet_options, leave, load, terminal_for

if TYPE_CHECKING:
    from glmprov.errors import GlmprovError
    from glmprov.lint.linted import Linted
    from glmprov.recipe import Launch, Recipe

    Judged = tuple[list[Linted], list[GlmprovError]]


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
    from glmprov.actions.recipe.lint import launch_of
    from glmprov.recipe.library import library

    recipe = library(folders, Path.cwd(), os.environ).find(name)
    launch = launch_of(
        recipe, as_published=options["as_published"], sets=options["sets"], model=options["model"]
    )
    on_hosts = options["inventory"] and options["gpus"] is None and not options["card"]
    judge = _on_hosts if on_hosts else _on_cards
    results, errors = judge(launch, recipe, options)
    from glmprov.errors import worst
    from glmprov.lint.linted import lint_code
    from glmprov.report.lint import lint_json, lint_text

    code = worst([lint_code(results, fail_on), *(error.exit_code for error in errors)])
    if options["as_json"]:
        click.echo(lint_json(results, errors, int(code)))
    elif results:
        loud = bool(click.get_current_context().obj + options["verbose"])
        click.echo("\n\n\n".join(lint_text(each, verbose=loud) for each in results))
    for error in errors:
        click.echo(f"glmprov: {error}", err=True)
    leave(code)


def _on_cards(launch: Launch, recipe: Recipe, options: dict[str, Any]) -> Judged:
    from glmprov.actions.recipe.lint import moe_config_of
    from glmprov.lint import Target
    from glmprov.lint.linted import lint_launch

    cards: tuple[str, ...] = ()
    if options["card"]:
        from glmprov.fit.cards import card_named

        cards = (card_named(options["card"])[0],)
    target = Target(options["gpus"], cards, options["driver"], moe_config=moe_config_of(recipe))
    return [lint_launch(launch, recipe, target, **_form(options))], []


def _on_hosts(launch: Launch, recipe: Recipe, options: dict[str, Any]) -> Judged:
    from glmprov.actions.recipe.lint_hosts import lint_on_hosts

    terminal = terminal_for(options)
    with terminal.progress("probing") as said:
        return lint_on_hosts(load(options), launch, recipe, said=said, **_form(options))


def _form(options: dict[str, Any]) -> dict[str, Any]:
    return {"as_published": options["as_published"], "accepted": options["accepted"]}
