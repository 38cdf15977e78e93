"""PCIe ACS: on which bridges it is to be off, and where it must stay."""

from __future__ import annotations

from collections.abc import Mapping

from glmprov.plan.situation import Situation
from glmprov.state import Setting, Unknown


def acs_off(situation: Situation) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the bridges whose ACS is to be off, notes and faults.

    It isolates devices, so it stays where virtual machines run; only an order that names bridges goes over that.
    """
    written = situation.settings.host_tuning.acs_disabled
    if written is False:
        return (), (), ()
    if isinstance(written, Mapping):
        return tuple(sorted(bridge for bridge, off in written.items() if off)), (), ()
    if situation.virtual_machines:
        shown = ", ".join(situation.virtual_machines)
        if written:
            fault = f"host_tuning_acs_disabled true: virtual machines run here ({shown}); name the bridges instead"
            return (), (), (fault,)
        return (), (f"ACS stays on: virtual machines run here ({shown})",), ()
    if not situation.bare_metal_with_several_cards and written is None:
        return (), (), ()
    return tuple(sorted(_bridges_to_open(situation))), (), ()


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
