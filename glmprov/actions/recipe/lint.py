"""`glmprov recipe lint`: the form of a recipe that is judged, with what somebody changes in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from glmprov.engines.meaning import engine_of, engines
from glmprov.errors import RecipeError
from glmprov.recipe import Change, Launch, Recipe, changed


def launch_of(
    recipe: Recipe, *, as_published: bool = False, sets: Sequence[str] = (), model: str | None = None
) -> Launch:
    """Return the form that is asked for, with what somebody changes in it.

    Raise UsageError for a change that is none.
    """
    launch = recipe.published if as_published else recipe.corrected
    if launch.engine not in engines():
        return launch
    if sets:
        from glmprov.instance.wanted import given, parse_sets

        launch = given(launch, parse_sets(sets), "--set")
    if model is not None:
        engine = engine_of(launch)
        name = engine.name_in(launch, "model") or engine.written("model")
        change = Change() if name is None else Change(arguments={name: model})
        launch = changed(launch, change, "--model")
    return launch


def moe_config_of(recipe: Recipe) -> str | None:
    """Return the text of the recipe's own tuned file. Raise RecipeError if it can't be read. None: it has none."""
    if recipe.moe_config is None:
        return None
    try:
        return (Path(recipe.place).parent / recipe.moe_config).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(
            f"moe_config: {recipe.moe_config} can't be read: {error}", place=recipe.place
        ) from error
