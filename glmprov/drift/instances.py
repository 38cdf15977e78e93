"""The instances of a host against what was deployed. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from glmprov.deployed import ObservedInstance
from glmprov.drift.compare import compare
from glmprov.drift.difference import Difference, Verdict
from glmprov.observation import Observation
from glmprov.state import Unit, Unknown

RESTARTS = "engine_service.restarts"
IN_FORCE = ("engine_image.image", "engine_service.environment", RESTARTS)
"""What only a running process shows. Of one that doesn't run, that is said, and nothing else."""
_SHOWN_DIGITS = 12


def instances(observation: Observation) -> tuple[Difference, ...]:
    """Return what isn't as it was deployed; a key is "section[instance].field…"."""
    return tuple(
        _of(difference, name)
        for name, found in observation.instances.items()
        for difference in instance(observation.host, found)
    )


def instance(host: str, found: ObservedInstance) -> Iterator[Difference]:
    """Yield what of an instance isn't as its receipt says; a key is "section.field…"."""
    if found.receipt is None or isinstance(found.receipt, Unknown):
        reason = (
            found.receipt.reason
            if found.receipt
            else "its files are there, and no receipt says what they are"
        )
        observed = Unknown(reason)
        yield Difference(host, "engine_service.receipt", None, observed, Verdict.UNKNOWN, reason=reason)
        return
    unit = found.state.engine_service.unit if found.state.engine_service else None
    runs = isinstance(unit, Unit) and unit.active is True
    reasons = {
        "engine_service.unit": f"systemd says {found.active or 'nothing of it'}",
        "engine_service.files": f"edited since {found.receipt.written_at}",
        "engine_service.environment": "the running process has another value than was deployed",
        RESTARTS: "it ended, and systemd started it again",
        "engine_image.image": "its container was made of another image",
        "model_store.shards": "the size in bytes, in the folder of the weights",
    }
    for difference in compare(host, found.receipt.expected, found.state, reasons):
        if difference.key == RESTARTS and _fewer(difference):
            continue
        if runs or not difference.key.startswith(IN_FORCE):
            yield _shortened(difference)


def _fewer(difference: Difference) -> bool:
    """Say whether systemd counts less than the receipt took note of: a reboot begins at none."""
    expected, observed = difference.expected, difference.observed
    return isinstance(expected, int) and isinstance(observed, int) and observed < expected


def _shortened(difference: Difference) -> Difference:
    """Show of a sum as many digits as tell it from others, and say of a file that it is gone if it is."""
    if difference.key.startswith("engine_service.files"):
        reason = (
            difference.reason.replace("edited", "gone") if difference.observed is None else difference.reason
        )
    elif difference.key.startswith("engine_image.image"):
        reason = difference.reason
    else:
        return difference
    expected, observed = _digits(difference.expected), _digits(difference.observed)
    return replace(difference, expected=expected, observed=observed, reason=reason)


def _digits(value: object) -> object:
    return f"sha256 {value.removeprefix('sha256:')[:_SHOWN_DIGITS]}" if isinstance(value, str) else value


def _of(difference: Difference, name: str) -> Difference:
    section, dot, rest = difference.key.partition(".")
    return replace(difference, key=f"{section}[{name}]{dot}{rest}")
