"""One instance on one host: what is to be, and whether anything is to be done for it."""

from __future__ import annotations

from dataclasses import dataclass

from glmprov.deployed import InstanceReceipt
from glmprov.drift import Difference
from glmprov.drift.instances import RESTARTS
from glmprov.instance import Instance
from glmprov.recipe.lock import RecipeLock
from glmprov.state import InstanceState

IN_PLACE = (RESTARTS, "engine_service.files", "engine_service.unit.enabled")
"""What is mended without a start: files are written again, and of restarts a new receipt takes note."""


@dataclass(frozen=True)
class Planned:
    """One instance on one host: what it is to be, what was deployed before, and what differs.

    image_id is the host's own id of the image, None where it isn't there. replaces is the receipt to go back to from
    here, None: the one that is in force now. declared says in words what is asked for otherwise than before; found is
    what isn't as it should be on the host.
    """

    instance: Instance
    lock: RecipeLock | None
    expected: InstanceState
    image_id: str | None
    previous: InstanceReceipt | None
    declared: tuple[str, ...]
    found: tuple[Difference, ...]
    accepted: tuple[str, ...] = ()
    replaces: int | None = None

    @property
    def restarts(self) -> bool:
        """Whether the service must be started anew: files that somebody edited are only written again."""
        return bool(self.declared) or any(not each.key.startswith(IN_PLACE) for each in self.found)

    @property
    def differs(self) -> bool:
        """Whether anything is to be done."""
        return bool(self.declared or self.found)
