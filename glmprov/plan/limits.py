"""What gpu_power should be."""

from __future__ import annotations

from collections.abc import Mapping

from glmprov import power
from glmprov.plan.situation import Part, Situation
from glmprov.state import GpuPower, Setting, Unit


def gpu_power(situation: Situation) -> Part[GpuPower]:
    """Return the power section: known when the cards answer."""
    if situation.gpus is None:
        later = situation.later()
        return Part(GpuPower(persistence_mode=later, limit_watts=later, boot_unit=later))
    applied = situation.applied.gpu_power
    before = applied.limit_watts if applied and isinstance(applied.limit_watts, Mapping) else {}
    decided = power.limits(situation.gpus, situation.settings.gpu_power.limit_watts, before)
    expected = GpuPower(
        persistence_mode={gpu.uuid: True for gpu in situation.gpus},
        limit_watts={uuid: Setting(watts, watts) for uuid, watts in decided.watts.items()},
        boot_unit=Unit(True, True) if decided.watts else None,
    )
    reasons = {
        "gpu_power.persistence_mode": "the limit is lost when the last user of a card goes",
        "gpu_power.boot_unit": "limits are lost at reboot and at driver reload",
        **{f"gpu_power.limit_watts[{uuid}]": reason for uuid, reason in decided.reasons.items()},
    }
    return Part(expected, reasons, decided.notes, decided.faults)
