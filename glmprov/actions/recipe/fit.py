"""`glmprov recipe fit` and `suggest` with an inventory: which hosts can run a recipe, and on which cards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from glmprov.actions.facts import facts
from glmprov.actions.observe import Fleet, Said, silent
from glmprov.actions.recipe.model_folder import model_for
from glmprov.catalog.models import Model
from glmprov.deployed import InstanceReceipt
from glmprov.errors import GlmprovError
from glmprov.fit import Asked, asked_by
from glmprov.fit.chosen import on_chosen
from glmprov.fit.hosts import HostFit, on_host
from glmprov.fit.seats import Host
from glmprov.instance.model import UNIT_PREFIX
from glmprov.observation import Observation
from glmprov.recipe import Launch, Recipe
from glmprov.results.facts import HostFacts
from glmprov.results.fit import HostOffers, HostRecipeFit
from glmprov.state import Setting
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
) -> HostFit:
    """Hold a form of a recipe against every set of one host's cards, as it was observed.

    The host's own NCCL environment holds where the launch says nothing.
    """
    model, asked, reasons = _understood(observation, recipe, launch)
    host = _host(observation, observation.serving, named)
    return on_host(model, asked, host, requires=recipe.requires, wanted_tokens=wanted_tokens, reasons=reasons)


def on_its_cards(
    observation: Observation, recipe: Recipe, launch: Launch, gpus: Sequence[str], name: str
) -> HostFit:
    """Hold a form of a recipe against the cards that the instance `name` gets on a host as it was observed."""
    model, asked, reasons = _understood(observation, recipe, launch)
    host = _host(observation, tuple(_serving(observation)), {})
    return on_chosen(model, asked, host, gpus, name, requires=recipe.requires, reasons=reasons)


def _serving(observation: Observation) -> Iterator[str]:
    """Yield the instances that run, by name, and who else computes on the cards."""
    seen = observation.instances
    yield from (name for name, each in seen.items() if each.active in ("active", "activating", "reloading"))
    ours = {
        who for name in seen for who in (f"container {UNIT_PREFIX}{name}", f"{UNIT_PREFIX}{name}.service")
    }
    yield from (who for who in observation.serving if who not in ours)


def _understood(
    observation: Observation, recipe: Recipe, launch: Launch
) -> tuple[Model, Asked, tuple[str, ...]]:
    """Return the model, what the launch asks for in the host's environment, and what speaks against the model's id."""
    section = observation.state.nccl_env
    env = section.env if section and isinstance(section.env, Mapping) else {}
    asked = asked_by(replace(launch, environment={**env, **launch.environment}))
    model, reasons = model_for(asked.model, recipe.model)
    return model, asked, reasons


def _host(observation: Observation, serving: tuple[str, ...], named: NamedSets) -> Host:
    version = observation.state.gpu_driver and observation.state.gpu_driver.version
    loaded = version.effective if isinstance(version, Setting) else None
    holders = {
        name: each.receipt.gpus
        for name, each in observation.instances.items()
        if isinstance(each.receipt, InstanceReceipt)
    }
    return Host(observation.hardware, named, serving, loaded, holders)
