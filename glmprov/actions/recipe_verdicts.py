"""What the lint says of our recipes on every release of the catalogue and every card: a table of the docs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from glmprov.actions.recipe_lint import lint_launch
from glmprov.catalog import load
from glmprov.engines.flags import ENGINES, versions
from glmprov.lint import Target
from glmprov.lint.linted import Linted
from glmprov.recipe import Launch, Recipe
from glmprov.recipe.command import release, repository
from glmprov.recipe.library import Library

_HEAD = """\
## Verdicts

What `glmprov recipe lint` says of each form, on as many cards as the recipe needs and on every release of its engine
that the catalogue knows; the release that the form is made for is in bold. On another release all else stays as it
stands. Notes, and what can't be known without a host, are left to `recipe lint` itself.
"""


def verdicts() -> str:
    """Return the table as Markdown: recipe × form × release × card edition → verdict."""
    cards = load().cards
    editions = [card.edition for card in cards]
    names = [card.name for card in cards]
    head = ["recipe", "form", "release", *editions]
    rows = [row for recipe in Library().recipes() for row in _rows(recipe, names)]
    lines = [head, ["---"] * len(head), *rows]
    return _HEAD + "\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _rows(recipe: Recipe, cards: Sequence[str]) -> Iterator[list[str]]:
    for form, launch in (("published", recipe.published), ("corrected", recipe.corrected)):
        for version in versions(launch.engine) if launch.engine in ENGINES else (launch.version,):
            own = version == launch.version and version
            told = [_verdict(_linted(recipe, _on(launch, version), card, form)) for card in cards]
            yield [recipe.name, form, f"**{version}**" if own else version or "any", *told]


def _on(launch: Launch, version: str) -> Launch:
    """Return a launch on another release: with the image's tag of it, where the tag names a release."""
    if launch.image is None or not release(launch.image):
        return replace(launch, version=version)
    return replace(launch, version=version, image=f"{repository(launch.image)}:v{version}")


def _linted(recipe: Recipe, launch: Launch, card: str, form: str) -> Linted:
    target = Target(recipe.requires.gpus, (card,))
    return lint_launch(launch, recipe, target, as_published=form == "published")


def _verdict(linted: Linted) -> str:
    refused = dict.fromkeys(f"`{each.rule}`" for each in linted.findings if each.level == "refuse")
    warned = sum(each.level == "warn" for each in linted.findings)
    if refused:
        return f"refused: {', '.join(refused)}"
    return f"passes, {warned} warning{'s' if warned != 1 else ''}" if warned else "passes"
