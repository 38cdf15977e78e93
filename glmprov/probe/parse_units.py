"""The answer of systemctl → units."""

from __future__ import annotations

from glmprov.probe.answer import Answer, known
from glmprov.probe.texts import unit_blocks
from glmprov.state import Unit, Unknown


def unit(answer: Answer, name: str) -> Unit | Unknown | None:
    """Return a systemd unit: None if there is none of that name."""
    commands = answer.part("commands")
    shown = (
        commands
        if isinstance(commands, Unknown)
        else known(commands.get("systemctl", {"error": "not asked"}))
    )
    if isinstance(shown, Unknown):
        return shown
    output = str(shown.get("output", ""))
    properties = unit_blocks(output).get(name)
    if properties is None:
        return Unknown("systemctl: " + (output.strip().split("\n")[0] or "no answer"))
    if properties.get("LoadState") == "not-found":
        return None
    return Unit(enabled=_enabled(properties), active=properties.get("ActiveState") in ("active", "reloading"))


def _enabled(properties: dict[str, str]) -> bool:
    """Tell whether the unit starts at boot.

    A static unit has no [Install] and can't be enabled; it starts if others want it, or a udev rule does,
    which shows only in that it runs (Ubuntu's nvidia-persistenced).
    """
    state = properties.get("UnitFileState")
    if state == "static":
        return bool(properties.get("WantedBy")) or properties.get("ActiveState") == "active"
    return state in ("enabled", "alias", "generated")
