"""A recipe's own file for the fused-MoE kernel: under the names that the engine looks for on these cards. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from glmprov.catalog.models import Model
from glmprov.engines import moe
from glmprov.engines.version import is_release
from glmprov.hardware import Hardware
from glmprov.instance.files import moe_folder
from glmprov.instance.model import MOE_IN_CONTAINER, Instance, TunedFile, Variable
from glmprov.state import Unknown


@dataclass(frozen=True)
class Tuning:
    """The text of a recipe's own file, and the model that it is for. None: the catalogue doesn't have it."""

    text: str
    model: Model | None


def tuned(instance: Instance, tuning: Tuning | None, hardware: Hardware) -> Instance:
    """Return the instance with its tuned file, where the recipe has one and the engine looks for one.

    An engine looks for it by the card's name, so each edition among the cards has a copy of its own.
    """
    gpus = () if isinstance(hardware.gpus, Unknown) else hardware.gpus
    devices = tuple(dict.fromkeys(gpu.name for gpu in gpus if gpu.uuid in instance.gpus))
    if tuning is None or not devices:
        return instance
    mounts = _mounts(instance, tuning, devices)
    if isinstance(mounts, str):
        return replace(instance, notes=(*instance.notes, f"moe_config isn't used: {mounts}"))
    folder = MOE_IN_CONTAINER if instance.image else moe_folder(instance)
    return replace(
        instance,
        moe=TunedFile(tuple(each.file for each in mounts), tuning.text),
        environment={**instance.environment, mounts[0].variable: Variable(folder, "recipe")},
    )


def _mounts(instance: Instance, tuning: Tuning, devices: Sequence[str]) -> list[moe.Mount] | str:
    """Return where the file goes for each kind of card, or why it doesn't."""
    launch = instance.launch
    if tuning.model is None:
        return "its model isn't in the catalogue, and the file's name depends on it"
    if not is_release(launch.version):
        return "nobody knows the engine's release, and the file's name depends on it"
    found = [moe.mount(launch, tuning.model, device) for device in devices]
    mounts = [each for each in found if each is not None]
    if not mounts:
        return "this launch looks for no tuned file"
    variable = mounts[0].variable
    if variable in launch.environment:
        return f"{variable} is set ({launch.origin(f'environment.{variable}')})"
    return mounts
