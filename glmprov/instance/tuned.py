"""A recipe's own tuned file of the fused-MoE kernel, on a host: under which names it lies, and who finds it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from glmprov.catalog.models import models
from glmprov.engines.moe import mount
from glmprov.engines.version import is_release
from glmprov.instance.model import HOME, Instance, TunedFile
from glmprov.recipe import Launch

IN_CONTAINER = "/run/glmprov/moe"


def tuned(
    launch: Launch, model: str, devices: Sequence[str], text: str, name: str, in_container: bool
) -> tuple[TunedFile | None, str]:
    """Return the file as the engine looks for it, or None and why it isn't mounted.

    devices are the cards' names as NVML gives them: an engine looks by them, so each edition has a copy of its own.
    """
    known = models().known.get(model)
    if known is None:
        return None, f"the recipe's moe_config isn't used: {model} isn't in the catalogue of models"
    if not is_release(launch.version):
        return (
            None,
            "the recipe's moe_config isn't used: nobody knows the release, so neither the file's name",
        )
    found = [mount(launch, known, device) for device in dict.fromkeys(devices)]
    places = [each for each in found if each is not None]
    if not places:
        return None, "the recipe's moe_config isn't used: this engine looks for none with this model"
    variable = places[0].variable
    if variable in launch.environment:
        return (
            None,
            f"the recipe's moe_config isn't used: {launch.origin(f'environment.{variable}')} sets {variable}",
        )
    folder = IN_CONTAINER if in_container else home(name)
    return TunedFile(variable, folder, tuple(each.file for each in places), text), ""


def home(name: str) -> str:
    """Return the folder on the host that an instance's variable means."""
    return f"{HOME}/{name}/moe"


def tuned_texts(instance: Instance) -> dict[str, str]:
    """Return the tuned file as it lies on the host, by path."""
    own = instance.moe_config
    return {} if own is None else {f"{home(instance.name)}/{file}": own.text for file in own.files}


def tuned_volumes(instance: Instance) -> Iterator[str]:
    """Yield what the container mounts of it."""
    if instance.moe_config is not None:
        yield f"{home(instance.name)}:{instance.moe_config.folder}:ro"
