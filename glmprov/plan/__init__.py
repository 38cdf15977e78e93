"""Inventory settings + observation → the expected state with the reason for each value. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from glmprov import catalog, topology
from glmprov.errors import PlanError
from glmprov.observation import Observation
from glmprov.plan.driver import gpu_driver
from glmprov.plan.engine import container_engine
from glmprov.plan.environment import nccl_env
from glmprov.plan.limits import gpu_power
from glmprov.plan.situation import Situation
from glmprov.plan.tuning import host_tuning
from glmprov.settings import HostSettings
from glmprov.state import HostState, Unknown


@dataclass(frozen=True)
class HostPlan:
    """What a host should be. reasons are by key, as drift/ spells them; notes are for a person.

    A note says for example that a card was left alone, and why.
    """

    host: str
    expected: HostState
    reasons: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def build(settings: HostSettings, observation: Observation) -> HostPlan:
    """Given what the inventory says and what the host is, return the plan.

    Raise PlanError with every reason why the host can't be brought there.
    """
    situation = Situation(settings, observation, topology.read(observation.hardware))
    driver, engine = gpu_driver(situation), container_engine(situation)
    power, tuning, nccl = gpu_power(situation), host_tuning(situation), nccl_env(situation)
    parts = (driver, engine, power, tuning, nccl)
    faults = [*_unsupported(situation), *(fault for part in parts for fault in part.faults)]
    if faults:
        raise PlanError(
            "\n".join(faults), host=observation.host, next_step="see docs/settings.md and docs/cards.md"
        )
    return HostPlan(
        host=observation.host,
        expected=HostState(driver.expected, engine.expected, power.expected, tuning.expected, nccl.expected),
        reasons={key: reason for part in parts for key, reason in part.reasons.items()},
        notes=(*_notes(situation), *(note for part in parts for note in part.notes)),
    )


def _unsupported(situation: Situation) -> Iterator[str]:
    system, known = situation.observation.hardware.system, catalog.load()
    if known.distribution(system.distribution, system.release) is None:
        supported = ", ".join(f"{d.distribution} {d.release}" for d in known.distributions)
        said = f"{system.distribution} {system.release}".strip() or "a system without /etc/os-release"
        yield f"{said} isn't supported; supported are {supported}"
    if system.architecture not in ("x86_64", "amd64"):
        yield f"architecture {system.architecture} isn't supported; supported is x86_64"
    if not situation.observation.hardware.cards:
        yield "no NVIDIA card on the PCI bus"
    elif not situation.topology.cards:
        yield "every NVIDIA card is given to virtual machines (vfio-pci)"


def _notes(situation: Situation) -> Iterator[str]:
    observation = situation.observation
    for name in situation.settings.ignored:
        yield f"{name} in the inventory is ignored: the plan decides it"
    if isinstance(observation.receipt, Unknown):
        yield f"the receipt can't be read: {observation.receipt.reason}"
    if observation.hardware.system.secure_boot is True:
        yield "Secure Boot is on: the kernel module loads only if its signing key is enrolled"
    for card in topology.cards(observation.hardware):
        if card.passed_through:
            yield f"card at {card.bus_id} is given to virtual machines (vfio-pci): left alone"
