"""What we set before and the plan doesn't any more: to be taken away again, and nothing else.

Ours is what files of ours say. /etc/kernel/cmdline is everybody's, so there the receipt tells what we put into it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from glmprov.plan.situation import Situation
from glmprov.state import Dropped, Setting

WHY = "ours, and no longer asked for"


def dropped(situation: Situation, field: str, planned: Collection[str]) -> dict[str, Setting]:
    """Return the items of a field of host_tuning that go: what they were set to stays in force until the next boot."""
    return {
        name: Setting(Dropped(value), None)
        for name, value in _ours(situation).get(field, {}).items()
        if name not in planned
    }


def dropped_arguments(situation: Situation, planned: Collection[str]) -> dict[str, Setting]:
    """Return the kernel arguments that go, also those that are out of the boot loader and wait for the boot."""
    still = _our_arguments(situation)
    out = {
        name: was
        for name, was in _applied(situation).items()
        if name not in still and _sides(situation, name) == (None, was)
    }
    return {
        name: Setting(Dropped(was), Dropped(was))
        for name, was in {**still, **out}.items()
        if name not in planned
    }


def _ours(situation: Situation) -> Mapping[str, Mapping[str, str]]:
    observed = situation.observation.state.host_tuning
    return (observed.ours if observed else None) or {}


def _our_arguments(situation: Situation) -> dict[str, str]:
    ours = _ours(situation)
    if "kernel_arguments" in ours:
        return dict(ours["kernel_arguments"])
    before = situation.receipt.before if situation.receipt else {}
    return {
        name: was
        for name, was in _applied(situation).items()
        if f"host_tuning.kernel_arguments[{name}].declared" in before and _sides(situation, name)[0] == was
    }


def _applied(situation: Situation) -> dict[str, str]:
    """Return the kernel arguments of the receipt, those included that it says were dropped."""
    section = situation.applied.host_tuning
    arguments = section.kernel_arguments if section else None
    settings = arguments if isinstance(arguments, Mapping) else {}
    declared = {name: setting.declared for name, setting in settings.items()}
    return {
        name: value.was if isinstance(value, Dropped) else str(value)
        for name, value in declared.items()
        if value is not None
    }


def _sides(situation: Situation, name: str) -> tuple[object, object]:
    """Return what is declared and what is effective of a kernel argument."""
    observed = situation.observation.state.host_tuning
    arguments = observed.kernel_arguments if observed else None
    setting = arguments.get(name) if isinstance(arguments, Mapping) else None
    return (setting.declared, setting.effective) if setting else (None, None)
