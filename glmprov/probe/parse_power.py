"""The payload's answer → the sections gpu_power and nccl_env as they are."""

from __future__ import annotations

from collections.abc import Mapping

from glmprov.hardware import Gpu
from glmprov.probe.answer import Answer
from glmprov.probe.parse_units import unit
from glmprov.probe.texts import key_values
from glmprov.state import GpuPower, NcclEnv, Setting, Unknown

GPU_POWER_CONF = "/etc/glmprov/gpu-power.conf"
NCCL_ENV = "/etc/glmprov/nccl.env"
NCCL_CONFS = (("/etc/nccl.conf", "files"), ("/root/.nccl.conf", "files"), ("/home/", "homes"))
"""Where NCCL looks besides the environment, and the part of the answer that holds it."""


def gpu_power(answer: Answer, gpus: tuple[Gpu, ...] | Unknown, driver: bool) -> GpuPower:
    """Return the power section as observed. driver: one is installed or loaded, else nothing can be set."""
    boot_unit = unit(answer, "glmprov-gpu-power.service")
    declared = declared_watts(answer)
    if isinstance(gpus, Unknown):
        reason = gpus if driver else None
        return GpuPower(
            persistence_mode=reason,
            limit_watts=_blind(declared, reason),
            limit_in_force=reason,
            enforced_watts=reason,
            boot_unit=boot_unit,
        )
    return GpuPower(
        persistence_mode={
            gpu.uuid: gpu.persistence_mode for gpu in gpus if isinstance(gpu.persistence_mode, bool)
        },
        limit_watts=_limits(declared, gpus),
        limit_in_force={gpu.uuid: gpu.limit_in_force for gpu in gpus},
        enforced_watts={
            g.uuid: g.enforced_limit_watts for g in gpus if isinstance(g.enforced_limit_watts, int)
        },
        boot_unit=boot_unit,
    )


def declared_watts(answer: Answer) -> dict[str, int] | Unknown:
    """Return the limits that the boot unit sets, by UUID."""
    text = answer.text(GPU_POWER_CONF)
    if not isinstance(text, str):
        return text or {}
    return {uuid: int(watts) for uuid, watts in key_values(text) if watts.isdigit()}


def _limits(declared: Mapping[str, int] | Unknown, gpus: tuple[Gpu, ...]) -> dict[str, Setting]:
    """Return declared and effective limit of each card; a declared card that is gone has no effective one."""
    here = {gpu.uuid: gpu.power_limit_watts for gpu in gpus}
    gone = () if isinstance(declared, Unknown) else tuple(uuid for uuid in declared if uuid not in here)
    return {
        uuid: Setting(declared if isinstance(declared, Unknown) else declared.get(uuid), here.get(uuid))
        for uuid in (*here, *gone)
    }


def _blind(
    declared: Mapping[str, int] | Unknown, reason: Unknown | None
) -> dict[str, Setting] | Unknown | None:
    """Return what is declared where no card can be asked."""
    if isinstance(declared, Unknown) or not declared:
        return reason
    return {uuid: Setting(watts, reason) for uuid, watts in declared.items()}


def nccl_env(answer: Answer) -> NcclEnv:
    """Return the NCCL section as observed."""
    text = answer.text(NCCL_ENV)
    env = dict(key_values(text)) if isinstance(text, str) else text
    elsewhere = {
        f"{path}: {name}": value
        for prefix, part in NCCL_CONFS
        for path, content in answer.texts(prefix, part).items()
        for name, value in key_values(content)
    }
    lost = next((lost for place in NCCL_CONFS if (lost := answer.lost(*place))), None)
    return NcclEnv(env=env, elsewhere=elsewhere or lost)
