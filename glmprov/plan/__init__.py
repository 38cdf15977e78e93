"""Inventory settings + observation → the expected state with the reason for each value. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from glmprov import catalog, topology
from glmprov.errors import PlanError
from glmprov.observation import Observation
from glmprov.plan import managed
from glmprov.plan.driver import gpu_driver
from glmprov.plan.engine import container_engine
from glmprov.plan.environment import nccl_env
from glmprov.plan.limits import gpu_power
from glmprov.plan.situation import Part, Situation
from glmprov.plan.tuning import host_tuning
from glmprov.receipt import Receipt
from glmprov.settings import HostSettings
from glmprov.state import HostState, Modes, Unknown, as_found


@dataclass(frozen=True)
class HostPlan:
    """What a host should be. reasons are by key, as drift/ spells them; notes are for a person.

    A note says for example that a card was left alone, and why. expected is all of it; modes say what of it is
    enforced, only reported, or ignored.
    """

    host: str
    expected: HostState
    reasons: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    modes: Modes = field(default_factory=Modes)

    def given(self, observation: Observation) -> HostState:
        """Return what the roles are to be given on a host: what isn't enforced stays as it is there."""
        receipt = observation.receipt
        applied = receipt.expected if isinstance(receipt, Receipt) else HostState()
        return as_found(self.expected, observation.state, self.modes.left, applied)


def build(settings: HostSettings, observation: Observation) -> HostPlan:
    """Given what the inventory says and what the host is, return the plan.

    Raise PlanError with every reason why the host can't be brought there.
    """
    situation = Situation(settings, observation, topology.read(observation.hardware))
    asked = settings.modes
    built: dict[str, Part[Any]] = {
        "gpu_driver": gpu_driver(situation),
        "container_engine": container_engine(situation),
        "gpu_power": gpu_power(situation),
        "host_tuning": host_tuning(situation),
        "nccl_env": nccl_env(situation),
    }
    parts = {section: managed.part(section, part, asked) for section, part in built.items()}
    unsupported = _unsupported(situation) if managed.enforces_something(asked) else ()
    faults = [*unsupported, *(fault for part in parts.values() for fault in part.faults)]
    if faults:
        raise PlanError(
            "\n".join(managed.together(faults)),
            host=observation.host,
            next_step="see docs/settings.md and docs/cards.md",
        )
    expected = HostState(**{section: part.expected for section, part in parts.items()})
    modes = managed.doable(expected, observation.state, situation.applied, asked)
    section_notes = (note for part in parts.values() for note in part.notes)
    return HostPlan(
        host=observation.host,
        expected=expected,
        reasons={key: reason for part in parts.values() for key, reason in part.reasons.items()},
        notes=(*_notes(situation), *managed.notes(expected, asked, modes), *section_notes),
        modes=modes,
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
