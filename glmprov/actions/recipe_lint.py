"""`glmprov recipe lint`: what is wrong or unwise with a recipe, for a release on given hardware."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from glmprov.catalog.models import Model
from glmprov.engines.meaning import engine_of, engines
from glmprov.errors import UsageError
from glmprov.fit import FitError, model_of
from glmprov.lint import Target, lint, rules
from glmprov.lint.linted import Linted
from glmprov.lint.release import judged_by
from glmprov.recipe import Change, Launch, Recipe, changed


def lint_launch(
    launch: Launch,
    recipe: Recipe,
    target: Target,
    *,
    as_published: bool = False,
    accepted: Collection[str] = (),
    host: str | None = None,
) -> Linted:
    """Return what the lint says of a launch. A target without a model gets the launch's, if we know it.

    Raise UsageError for a rule that is accepted and doesn't exist.
    """
    agreed = accepted_rules(accepted)
    if target.model is None:
        target = replace(target, model=model_for(launch, recipe))
    catalogue = judged_by(launch)
    findings = lint(launch, recipe, target, catalogue, as_published=as_published)
    version = catalogue.version if catalogue is not None else None
    return Linted(recipe, launch, target, findings, as_published, version, agreed, host)


def launch_of(
    recipe: Recipe, *, as_published: bool = False, sets: Sequence[str] = (), model: str | None = None
) -> Launch:
    """Return the form that is asked for, with what somebody changes in it. Raise UsageError for a change that is none."""
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


def model_for(launch: Launch, recipe: Recipe) -> Model | None:
    """Return the model that a launch loads; for an id that doesn't exist, the one that is meant. None: unknown.

    A folder of the recipe's own is taken for the recipe's model, one that somebody sets isn't.
    """
    engine = engines().get(launch.engine)
    name = engine.name_in(launch, "model") if engine is not None else None
    named = recipe.model if name is None else str(launch.arguments[name])
    own = name is not None and launch.origin(f"arguments.{name}") in ("published", "correction")
    try:
        return model_of(named, recipe.model if own and named.startswith("/") else "")[0]
    except FitError:
        return None


def accepted_rules(ids: Collection[str]) -> frozenset[str]:
    """Return the ids. Raise UsageError for one that is no rule, with the nearest."""
    for each in ids:
        if each not in rules():
            from difflib import get_close_matches

            near = get_close_matches(each, rules(), n=1)
            raise UsageError(
                f"--accept: there is no rule {each}",
                next_step=f"did you mean {near[0]}?" if near else "docs/rules.md lists the rules",
            )
    return frozenset(ids)
