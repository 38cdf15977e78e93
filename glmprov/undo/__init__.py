"""What taking provisioning back does to a host: receipt + observation → what goes back, and what stays. Pure.

The receipt knows what each key was before we first changed it, the record of packages what the roles brought. What we
didn't make is kept: keys of others, files that somebody edited since, packages unless they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from glmprov.drift import Difference
from glmprov.errors import PlanError
from glmprov.observation import Observation
from glmprov.receipt import RECEIPT_PATH
from glmprov.state import SECTIONS, Unknown
from glmprov.undo import files, packages
from glmprov.undo.values import Values

__all__ = ["Undo", "Wanted", "build"]

T = TypeVar("T")


@dataclass(frozen=True)
class Wanted:
    """How much to take back: which sections, and the packages too or not."""

    sections: tuple[str, ...] = SECTIONS
    packages: bool = False

    @property
    def everything(self) -> bool:
        """Whether nothing is to stay but packages."""
        return set(self.sections) == set(SECTIONS)


@dataclass(frozen=True)
class Undo:
    """What goes back, key by key (expected is the value from before), and what stays and why, in words.

    The keys are those of drift/, with section.files[path] expected absent for a file of ours, and packages[name].
    """

    differences: tuple[Difference, ...] = ()
    stays: tuple[str, ...] = ()


def nobody_else(_key: str) -> bool:
    """Say of no key that it is left to others."""
    return False


def build(observation: Observation, wanted: Wanted, left: Callable[[str], bool] = nobody_else) -> Undo:
    """Return what there is to take back. left says of a key that it is somebody else's by the inventory.

    Raise PlanError if what was done can't be known.
    """
    ours, receipt = _known(observation, observation.packages), _known(observation, observation.receipt)
    brought = packages.differences(observation, ours) if wanted.packages else ()
    if receipt is None:
        nothing = () if brought else ("nothing to revert: there is no receipt",)
        return Undo(brought, (*nothing, *packages.stays(ours, wanted.packages)))
    sorted_out = files.sort_out(observation, receipt, wanted.sections, left)
    # The receipt's copy too: on the second look the packages are gone, and the record of them with them.
    brought_driver = packages.brought_driver({**receipt.installed, **ours.before})
    values = Values(
        observation, receipt, wanted.sections, wanted.packages, brought_driver, sorted_out.fields, left
    )
    holds = packages.hold_differences(observation, ours) if "gpu_driver" in wanted.sections else ()
    return Undo(
        differences=(
            *values.differences(),
            *files.differences(observation, sorted_out.going),
            *(each for each in holds if not left(each.key)),
            *brought,
        ),
        stays=(*values.stays(), *sorted_out.words, *packages.stays(ours, wanted.packages)),
    )


def _known(observation: Observation, record: T | Unknown) -> T:
    if isinstance(record, Unknown):
        raise PlanError(
            f"what was done here can't be known, so nothing is taken back: {record.reason}",
            host=observation.host,
            next_step=f"put {RECEIPT_PATH} back from a backup; or provision, which writes it anew, and revert then",
        )
    return record
