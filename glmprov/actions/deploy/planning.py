"""What is to run on a host, held against what runs there. Pure, but that it reads the recipe's own tuned file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from glmprov import drift
from glmprov.actions.deploy.changes import changed
from glmprov.actions.deploy.planned import Planned
from glmprov.actions.deploy.records import expected_of
from glmprov.actions.recipe.lint import moe_config_of
from glmprov.deployed import InstanceReceipt, ObservedInstance
from glmprov.drift import Difference
from glmprov.drift.instances import RESTARTS
from glmprov.instance import (
    HostSide,
    Image,
    Locked,
    Taken,
    Tuning,
    Wanted,
    Weights,
    build,
    final,
)
from glmprov.instance.wanted import is_folder
from glmprov.inventory import Host
from glmprov.lint.linted import model_for
from glmprov.observation import Observation
from glmprov.operate import weights
from glmprov.recipe import Recipe
from glmprov.recipe.lock import RecipeLock
from glmprov.settings.instances import model_root
from glmprov.settings.sets import SETS, named_sets
from glmprov.state import InstanceState

NOBODY: Mapping[int, str] = {}


def plan(
    host: Host,
    observation: Observation,
    recipe: Recipe,
    lock: RecipeLock,
    wanted: Wanted,
    image: Image | None,
    provision: str,
    also_taken: Sequence[Taken] = (),
    listening: Mapping[int, str] = NOBODY,
) -> Planned:
    """Return the plan for one instance. image is what is known of the locked image; also_taken is planned for others.

    listening is who listens at a port, as far as it was asked.
    Raise PlanError with every reason why the host can't have it.
    """
    seen = observation.instances.get(wanted.name)
    previous = seen.receipt if seen and isinstance(seen.receipt, InstanceReceipt) else None
    root = model_root(host.variables) or weights.ROOT
    own = wanted.model if is_folder(wanted.model) else None
    folder = wanted.weights or own or weights.folder(lock.model, root)
    locked = Locked(image, Weights(lock.model.id, lock.model.revision, folder))
    side = HostSide(
        observation,
        taken=(*taken(observation), *also_taken),
        listening=listening,
        busy=busy(observation),
        named=named_sets(host.variables.get(SETS)),
        models=root,
        provision=provision,
    )
    instance = build(recipe, locked, side, kept_place(wanted, previous), _tuning(recipe, wanted))
    image_id = image.image_id if image else None
    expected = expected_of(instance, image_id, {file.path: file.size_bytes for file in lock.model.shards})
    declared = tuple(changed(previous, instance, expected)) if previous else (f"{recipe.name} is new here",)
    found = () if previous is None or seen is None else _found(observation.host, seen, previous)
    # The same once more is no step that anybody would want to go back by.
    replaces = previous.replaces if previous and not declared else None
    planned = Planned(
        instance, lock, expected, image_id, previous, declared, found, wanted.accepted, replaces=replaces
    )
    return planned if planned.restarts else replace(planned, expected=_noted(expected, found))


def _noted(expected: InstanceState, found: Sequence[Difference]) -> InstanceState:
    """Take note of how often systemd has started it again: who deploys the same has seen it, and it goes on."""
    seen = next((each.observed for each in found if each.key == RESTARTS), None)
    if expected.engine_service is None or not isinstance(seen, int):
        return expected
    return replace(expected, engine_service=replace(expected.engine_service, restarts=seen))


def _tuning(recipe: Recipe, wanted: Wanted) -> Tuning | None:
    """Return the recipe's own file for the fused-MoE kernel. Raise RecipeError if it can't be read."""
    text = moe_config_of(recipe)
    return None if text is None else Tuning(text, model_for(final(recipe, wanted)[0], recipe))


def kept_place(wanted: Wanted, previous: InstanceReceipt | None) -> Wanted:
    """Return what is wanted, with the cards that the instance has, where nobody asks for others.

    The same deploy again must not move it because others came or went meanwhile.
    """
    if wanted.gpus or previous is None:
        return wanted
    return replace(wanted, gpus="", prefer=previous.gpus)


def taken(observation: Observation) -> Iterator[Taken]:
    """Yield what the instances of a host have."""
    for name, seen in observation.instances.items():
        if isinstance(seen.receipt, InstanceReceipt):
            yield Taken(name, seen.receipt.gpus, seen.receipt.port)


def busy(observation: Observation) -> dict[str, str]:
    """Return who holds a card's memory and is none of our instances, by UUID."""
    ours = [
        seen.receipt for seen in observation.instances.values() if isinstance(seen.receipt, InstanceReceipt)
    ]
    known = {gpu for receipt in ours for gpu in receipt.gpus}
    return {
        process.gpu_uuid: f"{process.command} (process {process.pid})"
        for process in observation.hardware.processes
        if process.gpu_uuid not in known
    }


def _found(host: str, seen: ObservedInstance, previous: InstanceReceipt) -> tuple[Difference, ...]:
    return tuple(drift.instance(host, replace(seen, receipt=previous)))
