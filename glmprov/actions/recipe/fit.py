"""`glmprov recipe fit` and `suggest` with an inventory: which hosts can run a recipe, and on which cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from glmprov.actions.facts import facts
from glmprov.actions.observe import Fleet, Said, silent
from glmprov.actions.recipe.model_folder import model_for
from glmprov.errors import GlmprovError
from glmprov.fit import asked_by
from glmprov.fit.hosts import HostFit, on_host
from glmprov.fit.seats import Host
from glmprov.observation import Observation
from glmprov.recipe import Launch, Recipe
from glmprov.results.facts import HostFacts
from glmprov.results.fit import HostOffers, HostRecipeFit
from glmprov.topology import NamedSets


def recipe_fit(
    fleet: Fleet, recipe: Recipe, launch: Launch, wanted_tokens: int | None = None, said: Said = silent
) -> tuple[HostRecipeFit, ...]:
    """Hold a form of a recipe against every host of a fleet. Raise FitError if the launch can't be understood."""
    model_for(asked_by(launch).model, recipe.model)
    return tuple(_held(each, recipe, launch, wanted_tokens) for each in facts(fleet, said))


def _held(found: HostFacts, recipe: Recipe, launch: Launch, wanted_tokens: int | None) -> HostRecipeFit:
    if found.observation is None or found.error is not None:
        return HostRecipeFit(found.host, error=found.error)
    try:
        return HostRecipeFit(
            found.host, on_observed(found.observation, recipe, launch, wanted_tokens, named=found.named)
        )
    except GlmprovError as error:
        return HostRecipeFit(found.host, error=error)


def recipe_suggest(fleet: Fleet, recipes: Sequence[Recipe], said: Said = silent) -> tuple[HostOffers, ...]:
    """Hold recipes, as corrected, against every host of a fleet; on each host those that it can run come first."""
    return tuple(_offered(each, recipes) for each in facts(fleet, said))


def _offered(found: HostFacts, recipes: Sequence[Recipe]) -> HostOffers:
    if found.observation is None or found.error is not None:
        return HostOffers(found.host, error=found.error)
    held = [
        (each, on_observed(found.observation, each, each.corrected, named=found.named)) for each in recipes
    ]
    return HostOffers(found.host, tuple(sorted(held, key=lambda pair: pair[1].strategy is None)))


def on_observed(
    observation: Observation,
    recipe: Recipe,
    launch: Launch,
    wanted_tokens: int | None = None,
    *,
    named: NamedSets,
    holders: Mapping[str, tuple[str, ...]] | None = None,
) -> HostFit:
    """Hold a form of a recipe against one host as it was observed. holders: the instances there, with their cards.

    The host's own NCCL environment holds where the launch says nothing.
    """
    state = observation.state
    env = state.nccl_env.env if state.nccl_env else None
    host_env = dict(env) if isinstance(env, Mapping) else {}
    asked = asked_by(replace(launch, environment={**host_env, **launch.environment}))
    model, reasons = model_for(asked.model, recipe.model)
    host = Host(
        observation.hardware,
        named,
        observation.serving,
        state.gpu_driver.version if state.gpu_driver else None,
        holders or {},
    )
    return on_host(model, asked, host, requires=recipe.requires, wanted_tokens=wanted_tokens, reasons=reasons)
