"""One host's part of a saved plan. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from glmprov import receipt
from glmprov.drift import Difference
from glmprov.errors import GlmprovError
from glmprov.observation import Observation
from glmprov.plan import HostPlan
from glmprov.plan.saved.document import Change, Failure, Machine, SavedHost
from glmprov.receipt import Receipt
from glmprov.settings import HostSettings
from glmprov.state import Unknown
from glmprov.state.data import data


def host_of(
    name: str,
    settings: HostSettings,
    observation: Observation | None,
    plan: HostPlan | None,
    differences: Iterable[Difference],
    error: GlmprovError | None,
) -> SavedHost:
    """Return what a plan says of one host."""
    written = data(settings.written())
    if error is not None or observation is None or plan is None:
        why = error or GlmprovError("it was not looked at")
        failure = Failure(
            kind=type(why).__name__, message=why.message, place=why.place, next_step=why.next_step
        )
        return SavedHost(host=name, settings=written, error=failure)
    return SavedHost(
        host=name,
        settings=written,
        machine=_machine(observation),
        expected=data(plan.expected),
        reasons=plan.reasons,
        notes=plan.notes,
        changes=tuple(_change(each) for each in differences),
    )


def _machine(observation: Observation) -> Machine:
    hardware = observation.hardware
    return Machine(
        hostname=hardware.system.hostname,
        distribution=hardware.system.distribution,
        release=hardware.system.release,
        architecture=hardware.system.architecture,
        kernel=hardware.system.kernel,
        virtualization=hardware.system.virtualization,
        secure_boot=data(hardware.system.secure_boot),
        pci_cards={card.bus_id: card.device_id for card in hardware.cards},
        gpus=None if isinstance(hardware.gpus, Unknown) else tuple(sorted(gpu.uuid for gpu in hardware.gpus)),
        receipt=_sum_of_receipt(observation.receipt),
    )


def _sum_of_receipt(applied: Receipt | Unknown | None) -> str | None:
    if isinstance(applied, Unknown):
        return "unreadable"
    return hashlib.sha256(receipt.to_json(applied).encode()).hexdigest() if applied else None


def _change(difference: Difference) -> Change:
    return Change(
        key=difference.key,
        verdict=difference.verdict,
        expected=data(difference.expected),
        observed=data(difference.observed),
        disruption=difference.disruption,
        manage=difference.manage,
        pending_reboot=difference.pending_reboot,
        reason=difference.reason,
    )
