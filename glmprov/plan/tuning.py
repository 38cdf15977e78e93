"""What host_tuning should be.

Other people's kernel arguments stay; isolation is never turned off by default.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from glmprov.plan.acs import acs_off
from glmprov.plan.dropped import WHY, dropped, dropped_arguments
from glmprov.plan.p2p import OPTION, forced
from glmprov.plan.situation import Part, Situation, merged, reasons_for
from glmprov.state import HostTuning, Setting, Unit

IOMMU_ARGUMENTS = ("iommu", "amd_iommu", "intel_iommu")


def host_tuning(situation: Situation) -> Part[HostTuning]:
    """Return the tuning section. Sources of the defaults are in docs/settings.md and at each function."""
    settings = situation.settings.host_tuning
    arguments, arguments_why, argument_notes = _kernel_arguments(situation)
    options, options_why, option_notes = _module_options(situation)
    p2p = forced(situation)
    if p2p.value:
        options, options_why = {**options, OPTION: p2p.value}, {**options_why, OPTION: p2p.reason}
    sysctl, sysctl_why, sysctl_notes = _sysctl(situation)
    governor, governor_notes = _governor(situation)
    acs, acs_notes, acs_faults = acs_off(situation)
    kernel_arguments = _settings(merged(arguments, settings.kernel_arguments))
    module_options = _settings(merged(options, settings.module_options))
    kept_sysctl = _settings(merged(sysctl, settings.sysctl))
    acs_disabled = {bridge: Setting(True, True) for bridge in acs}
    gone = {
        "kernel_arguments": dropped_arguments(situation, kernel_arguments),
        "module_options": dropped(situation, "module_options", module_options),
        "sysctl": dropped(situation, "sysctl", kept_sysctl),
        "acs_disabled": dropped(situation, "acs_disabled", acs_disabled),
    }
    expected = HostTuning(
        kernel_arguments={**kernel_arguments, **gone["kernel_arguments"]} or None,
        module_options={**module_options, **gone["module_options"]} or None,
        sysctl={**kept_sysctl, **gone["sysctl"]} or None,
        cpu_governor=Setting(governor, governor) if governor else None,
        acs_disabled={**acs_disabled, **gone["acs_disabled"]} or None,
        boot_unit=Unit(True, True) if governor or acs else None,
        limits=merged({"memlock": "unlimited"}, settings.limits),
        p2p=settings.p2p or "off",
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
        "host_tuning.limits": WHY,
        "host_tuning.acs_disabled": "ACS sends card to card traffic through the root complex",
        "host_tuning.boot_unit": "governor and ACS are lost at reboot",
        **{f"host_tuning.{field}[{name}]": WHY for field, items in gone.items() for name in items},
    }
    everything = {"module_options": module_options, "sysctl": kept_sysctl}
    notes = (
        *_overridden(situation, everything),
        *argument_notes,
        *option_notes,
        *p2p.notes,
        *sysctl_notes,
        *governor_notes,
        *acs_notes,
    )
    return Part(expected, reasons, (*notes, *_until_the_next_boot(gone)), (*p2p.faults, *acs_faults))


def _overridden(situation: Situation, planned: Mapping[str, Mapping[str, Setting]]) -> Iterator[str]:
    """Yield what our file says and another one says otherwise, being read after ours."""
    observed = situation.observation.state.host_tuning
    for field, settings in planned.items():
        ours = ((observed.ours if observed else None) or {}).get(field, {})
        seen = getattr(observed, field, None)
        for name in settings:
            side = seen.get(name) if isinstance(seen, Mapping) else None
            declared = side.declared if isinstance(side, Setting) else None
            if declared is not None and ours.get(name) == settings[name].declared != declared:
                yield f"{field} {name}: another file says {declared} and is read after ours; take it out there"


def _until_the_next_boot(gone: Mapping[str, Mapping[str, Setting]]) -> Iterator[str]:
    """Yield what stays in force though it is no longer set: nobody knows what it was before."""
    for field, what in (
        ("sysctl", "sysctl"),
        ("module_options", "module option"),
        ("acs_disabled", "ACS off at"),
    ):
        for name in gone[field]:
            yield f"{what} {name}: no longer set by us, in force until the next boot"


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
    said = {name: situation.argument(name) for name in IOMMU_ARGUMENTS}
    return {name: value for name, value in said.items() if value not in (None, "pt", "on")}


def _module_options(situation: Situation) -> tuple[dict[str, str], dict[str, str], tuple[str, ...]]:
    """Source: local-inference-lab/rtx6kpro, common issues: P2P lock-ups go away on multi-card hosts.

    Only a kernel with heterogeneous memory management has the option; another would never show it.
    """
    if len(situation.topology.cards) < 2:
        return {}, {}, ()
    name = "nvidia_uvm.uvm_disable_hmm"
    observed = situation.observation.state.host_tuning
    options = observed.module_options if observed and isinstance(observed.module_options, Mapping) else {}
    in_force = [key for key, setting in options.items() if setting.effective is not None]
    if name not in in_force and any(key.startswith("nvidia_uvm.") for key in in_force):
        return {}, {}, (f"the loaded driver has no option {name}: not set",)
    return {name: "1"}, {name: "P2P between cards locks up with HMM"}, ()


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
