"""`glmprov recipe lint` with an inventory: each host's cards, driver and NCCL environment."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from glmprov import catalog, topology
from glmprov.actions.facts import facts
from glmprov.actions.observe import Fleet, Said, silent
from glmprov.actions.recipe.lint import moe_config_of
from glmprov.errors import GlmprovError, ProbeError
from glmprov.lint import Target
from glmprov.lint.linted import Linted, lint_launch
from glmprov.observation import Observation
from glmprov.recipe import Launch, Recipe
from glmprov.state import Setting, Unknown


def lint_on_hosts(
    fleet: Fleet,
    launch: Launch,
    recipe: Recipe,
    *,
    as_published: bool = False,
    accepted: Collection[str] = (),
    said: Said = silent,
) -> tuple[list[Linted], list[GlmprovError]]:
    """Return what the lint says of a launch for each host of a fleet, and why the others can't be read."""
    moe_config = moe_config_of(recipe)
    results: list[Linted] = []
    errors: list[GlmprovError] = []
    for each in facts(fleet, said):
        if each.error is not None or each.observation is None:
            errors.append(each.error or ProbeError("it could not be read", host=each.host))
            continue
        target = replace(target_of(each.observation), moe_config=moe_config)
        results.append(
            lint_launch(launch, recipe, target, as_published=as_published, accepted=accepted, host=each.host)
        )
    return results, errors


def target_of(observation: Observation) -> Target:
    """Return a host as the lint sees it."""
    hardware, state = observation.hardware, observation.state
    driver = state.gpu_driver.version if state.gpu_driver else None
    loaded = driver.effective if isinstance(driver, Setting) else None
    env = state.nccl_env.env if state.nccl_env else None
    if isinstance(hardware.gpus, Unknown):
        known = [catalog.load().card(device_id=card.device_id) for card in hardware.cards]
        names = [card.name for card in known if card is not None]
        count = len(hardware.cards)
    else:
        names, count = [gpu.name for gpu in hardware.gpus], len(hardware.gpus)
    return Target(
        gpus=count,
        cards=tuple(dict.fromkeys(names)),
        driver=loaded if isinstance(loaded, str) else None,
        environment=dict(env) if isinstance(env, Mapping) else {},
        topology=topology.read(hardware),
    )
