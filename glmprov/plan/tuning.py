"""What host_tuning should be.

Other people's kernel arguments stay; isolation is never turned off by default.
"""

from __future__ import annotations

from collections.abc import Mapping

from glmprov.plan.situation import Part, Situation, merged, reasons_for
from glmprov.state import HostTuning, Setting, Unit, Unknown

IOMMU_ARGUMENTS = ("iommu", "amd_iommu", "intel_iommu")


def host_tuning(situation: Situation) -> Part[HostTuning]:
    """Return the tuning section. Sources of the defaults are in docs/settings.md and at each function."""
    settings = situation.settings.host_tuning
    arguments, arguments_why, argument_notes = _kernel_arguments(situation)
    options, options_why = _module_options(situation)
    sysctl, sysctl_why, sysctl_notes = _sysctl(situation)
    governor, governor_notes = _governor(situation)
    acs, acs_notes = _acs(situation)
    limits = {"memlock": "unlimited"}
    expected = HostTuning(
        kernel_arguments=_settings(merged(arguments, settings.kernel_arguments)) or None,
        module_options=_settings(merged(options, settings.module_options)) or None,
        sysctl=_settings(merged(sysctl, settings.sysctl)) or None,
        cpu_governor=Setting(governor, governor) if governor else None,
        acs_disabled={bridge: Setting(True, True) for bridge in acs} or None,
        boot_unit=Unit(True, True) if governor or acs else None,
        limits=merged(limits, settings.limits) or None,
    )
    reasons = {
        **reasons_for("host_tuning.kernel_arguments", arguments_why, settings.kernel_arguments),
        **reasons_for("host_tuning.module_options", options_why, settings.module_options),
        **reasons_for("host_tuning.sysctl", sysctl_why, settings.sysctl),
        **reasons_for(
            "host_tuning.limits",
            {"memlock": "pinned host memory for NCCL and model loading"},
            settings.limits,
        ),
        "host_tuning.cpu_governor": "inventory"
        if settings.cpu_governor
        else "decode waits for a CPU that has clocked down",
        "host_tuning.acs_disabled": "ACS sends card to card traffic through the root complex",
        "host_tuning.boot_unit": "governor and ACS are lost at reboot",
    }
    return Part(expected, reasons, (*argument_notes, *sysctl_notes, *governor_notes, *acs_notes))


def _settings(values: Mapping[str, str]) -> dict[str, Setting]:
    return {name: Setting(value, value) for name, value in values.items()}


def _kernel_arguments(situation: Situation) -> tuple[dict[str, str], dict[str, str], tuple[str, ...]]:
    """iommu=pt keeps the IOMMU and ends most NCCL hangs.

    A host that already says something else of it is left alone.
    """
    if not situation.bare_metal_with_several_cards:
        return {}, {}, ()
    applied = situation.applied.host_tuning
    ours = (
        applied is not None
        and isinstance(applied.kernel_arguments, Mapping)
        and "iommu" in applied.kernel_arguments
    )
    theirs = {} if ours else _iommu_arguments(situation)
    if theirs:
        said = " ".join(f"{name}={value}" for name, value in theirs.items())
        return {}, {}, (f"the host's kernel command line says {said}: left alone",)
    return (
        {"iommu": "pt"},
        {"iommu": "card to card traffic without address translation; the IOMMU stays on"},
        (),
    )


def _iommu_arguments(situation: Situation) -> dict[str, str]:
    """Return what the host says of its IOMMU, other than what we would say and the kernel's default."""
    observed = situation.observation.state.host_tuning
    arguments = observed.kernel_arguments if observed else None
    found: dict[str, str] = {}
    for name in IOMMU_ARGUMENTS if isinstance(arguments, Mapping) else ():
        argument = arguments.get(name) if isinstance(arguments, Mapping) else None
        values = (argument.declared, argument.effective) if isinstance(argument, Setting) else ()
        value = next((v for v in values if v is not None and not isinstance(v, Unknown)), None)
        if value is not None and str(value) not in ("pt", "on"):
            found[name] = str(value)
    return found


def _module_options(situation: Situation) -> tuple[dict[str, str], dict[str, str]]:
    """Source: local-inference-lab/rtx6kpro, common issues: P2P lock-ups go away on multi-card hosts."""
    if len(situation.topology.cards) < 2:
        return {}, {}
    name = "nvidia_uvm.uvm_disable_hmm"
    return {name: "1"}, {name: "P2P between cards locks up with HMM"}


def _sysctl(situation: Situation) -> tuple[dict[str, str], dict[str, str], tuple[str, ...]]:
    """Source: local-inference-lab/rtx6kpro, optimization/nccl-tuning.md. A key that this kernel lacks is left out."""
    why = {"vm.swappiness": "an engine's host memory must not be swapped out"}
    if len(situation.observation.hardware.numa_nodes) > 1:
        why["kernel.numa_balancing"] = "page migration between sockets stalls pinned engines"
    observed = situation.observation.state.host_tuning
    present = observed.sysctl if observed and isinstance(observed.sysctl, Mapping) else {}
    missing = [key for key in why if present and key not in present]
    kept = {key: reason for key, reason in why.items() if key not in missing}
    notes = tuple(f"this kernel has no {key}: not set" for key in missing)
    return dict.fromkeys(kept, "0"), kept, notes


def _governor(situation: Situation) -> tuple[str | None, tuple[str, ...]]:
    wanted = situation.settings.host_tuning.cpu_governor
    observed = situation.observation.state.host_tuning
    current = observed.cpu_governor if observed else None
    effective = current.effective if isinstance(current, Setting) else current
    if effective is None:
        said = "host_tuning_cpu_governor is ignored" if wanted else "no governor is set"
        return None, (f"the host has no CPU frequency control: {said}",)
    return wanted or "performance", ()


def _acs(situation: Situation) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the bridges whose ACS is to be off.

    It isolates devices, so it stays where a card is given to a machine.
    """
    written = situation.settings.host_tuning.acs_disabled
    if written is False:
        return (), ()
    if isinstance(written, Mapping):
        return tuple(sorted(bridge for bridge, off in written.items() if off)), ()
    if situation.cards_given_to_vms:
        return (), ("ACS stays on: a card is given to a virtual machine (vfio-pci)",)
    if not situation.bare_metal_with_several_cards and written is None:
        return (), ()
    return tuple(sorted(_bridges_to_open(situation))), ()


def _bridges_to_open(situation: Situation) -> set[str]:
    """Return the bridges above our cards, but those where ACS is off by other means or doesn't exist."""
    bridges = {bridge for card in situation.topology.cards for bridge in card.path}
    observed = situation.observation.state.host_tuning
    acs = observed.acs_disabled if observed else None
    if not isinstance(acs, Mapping):
        return bridges if isinstance(acs, Unknown) else set()
    applied = situation.applied.host_tuning
    ours = applied.acs_disabled if applied and isinstance(applied.acs_disabled, Mapping) else {}
    return {b for b in bridges if b in ours or acs.get(b) not in (None, Setting(None, True))}
