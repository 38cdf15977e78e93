"""A recipe's own file for the fused-MoE kernel: under the exact name that the engine looks for on these cards. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from glmprov.catalog.models import Model
from glmprov.engines import moe
from glmprov.hardware import Hardware
from glmprov.instance.files import moe_folder
from glmprov.instance.model import MOE_IN_CONTAINER, Instance, TunedFile, Variable
from glmprov.state import Unknown


@dataclass(frozen=True)
class Tuning:
    """The text of a recipe's own file, and the model that it is for."""

    text: str
    model: Model


def tuned(instance: Instance, tuning: Tuning | None, hardware: Hardware) -> Instance:
    """Return the instance with its tuned file, where the recipe has one and the engine looks for one."""
    gpus = () if isinstance(hardware.gpus, Unknown) else hardware.gpus
    device = next((gpu.name for gpu in gpus if gpu.uuid in instance.gpus), None)
    if tuning is None or device is None:
        return instance
    mount = moe.mount(instance.launch, tuning.model, device)
    if mount is None:
        return replace(instance, notes=(*instance.notes, "moe_config: this launch looks for no tuned file"))
    folder = MOE_IN_CONTAINER if instance.image else moe_folder(instance)
    return replace(
        instance,
        moe=TunedFile(mount.file, tuning.text),
        environment={**instance.environment, mount.variable: Variable(folder, "recipe")},
    )
