"""What gpu_power should be."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from glmprov import power
from glmprov.plan.situation import Part, Situation
from glmprov.state import GpuPower, Setting, Unit


def gpu_power(situation: Situation) -> Part[GpuPower]:
    """Return the power section: known when the cards answer."""
    settings = situation.settings.gpu_power
    if situation.gpus is None:
        later = situation.later()
        blind = GpuPower(persistence_mode=later, limit_watts=later, limit_in_force=later, boot_unit=later)
        return Part(blind)
    applied = situation.applied.gpu_power
    before = applied.limit_watts if applied and isinstance(applied.limit_watts, Mapping) else {}
    decided = power.limits(situation.gpus, settings.limit_watts, before, settings.budget_watts)
    expected = GpuPower(
        persistence_mode={gpu.uuid: True for gpu in situation.gpus},
        limit_watts={uuid: Setting(watts, watts) for uuid, watts in decided.watts.items()},
        limit_in_force=dict.fromkeys(decided.watts, True),
        boot_unit=Unit(True, True) if decided.watts else None,
        budget_watts=settings.budget_watts,
    )
    reasons = {
        "gpu_power.persistence_mode": "the limit is lost when the last user of a card goes",
        "gpu_power.boot_unit": "limits are lost at reboot and at driver reload",
        "gpu_power.limit_in_force": "a limit that isn't enforced limits nothing",
        **{f"gpu_power.limit_watts[{uuid}]": reason for uuid, reason in decided.reasons.items()},
        **_held_elsewhere(situation, decided.watts),
    }
    return Part(expected, reasons, decided.notes, decided.faults)


def _held_elsewhere(situation: Situation, limited: Collection[str]) -> dict[str, str]:
    """Return, by key, what is known of cards that enforce less than the limit they were given."""
    return {
        f"gpu_power.limit_in_force[{gpu.uuid}]": f"the card enforces {gpu.enforced_limit_watts} W of its limit of "
        f"{gpu.power_limit_watts} W: something else holds it (board, BMC, heat); "
        "see nvidia-smi -q -d POWER,PERFORMANCE"
        for gpu in situation.gpus or ()
        if gpu.uuid in limited and gpu.limit_in_force is False
    }
