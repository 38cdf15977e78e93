"""The published recommendations as data, and what of them fits."""

from __future__ import annotations

import pytest
from unit.fit.launches import card

from glmprov.catalog.models import models
from glmprov.fit.suggesting import kinds_on, offers, suggestions
from glmprov.recipe.reading import read_shipped
from glmprov.report.fit.suggested import offers_text

PURPOSES = ["quality", "speed", "code", "users"]


def test_every_purpose_has_its_row_with_sources() -> None:
    assert sorted(suggestions().purposes) == sorted(PURPOSES)
    for purpose in suggestions().purposes.values():
        assert {each.side for each in purpose.measurements} == {"for", "against"}
        assert all(each.source and each.author and each.hardware for each in purpose.measurements)


def test_the_kinds_are_those_of_models_that_we_know() -> None:
    for kind in suggestions().kinds:
        assert models().known[kind.model].quantization in kind.quantization
    names = {kind.name for kind in suggestions().kinds}
    for purpose in suggestions().purposes.values():
        assert {*purpose.recommended, *purpose.avoid} <= names


@pytest.mark.parametrize("name", PURPOSES)
def test_what_is_recommended_fits_on_its_cards(name: str) -> None:
    purpose = suggestions().purposes[name]
    recipes = [read_shipped(each) for each in purpose.recipes]
    found = offers(recipes, card(), 8 if name == "users" else 4)
    assert found[0].found.fits and found[0].recipe.name == purpose.recipes[0]


def test_on_four_cards_the_recipe_for_eight_comes_last_and_says_why() -> None:
    recipes = [read_shipped(each) for each in suggestions().purposes["users"].recipes]
    found = offers(recipes, card(), 4)
    assert found[0].found.fits
    assert found[-1].recipe.name == "recipe-4" and "takes 8 GPUs" in found[-1].found.reasons[0]


def test_both_sides_are_printed_with_who_when_and_on_what() -> None:
    purpose = suggestions().purposes["speed"]
    recipe = read_shipped("recipe-1")
    text = offers_text(purpose, "4 cards", offers([recipe], card(), 4), tuple(kinds_on(recipe, card(), 4)))
    words = " ".join(text.split())
    assert words.index("what speaks for it") < words.index("FP8 about 100 tok/s")
    assert words.index("what speaks against it") < words.index("FP8 56, NVFP4 60 tok/s")
    assert "Max-Q at 270 W or less" in words and "Festr, 2026-02-15" in words


def test_a_smaller_checkpoint_leaves_more_context() -> None:
    found = {kind.name: fit for kind, fit in kinds_on(read_shipped("recipe-1"), card(), 4)}
    assert found["FP8"].pool.tokens < found["NVFP4"].pool.tokens < found["INT4 (AWQ)"].pool.tokens
