"""A correction says which rules of the lint it answers: nothing else goes away, and what it names does."""

from __future__ import annotations

import pytest

from glmprov import catalog
from glmprov.lint import Target
from glmprov.lint.linted import lint_launch
from glmprov.recipe import Launch, Recipe
from glmprov.recipe.reading import read_shipped

CARDS = [card.name for card in catalog.load().cards]


def told(recipe: Recipe, launch: Launch, card: str) -> set[str]:
    target = Target(recipe.requires.gpus, (card,), "595.58.03")
    found = lint_launch(launch, recipe, target, as_published=launch is recipe.published).findings
    return {each.rule for each in found if each.level in ("refuse", "warn")}


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("name", [f"recipe-{number}" for number in range(1, 6)])
def test_what_goes_away_is_what_the_corrections_answer(name: str, card: str) -> None:
    recipe = read_shipped(name)
    answered = {rule for correction in recipe.corrections for rule in correction.fixes}
    before, after = told(recipe, recipe.published, card), told(recipe, recipe.corrected, card)
    assert before and not after
    assert before - after <= answered
