"""What `status` shows, and what `start` and `stop` did."""

from __future__ import annotations

from dataclasses import dataclass

from glmprov.deployed import InstanceReceipt
from glmprov.drift import Difference
from glmprov.errors import GlmprovError
from glmprov.state import Unknown


@dataclass(frozen=True)
class HostInstance:
    """One instance on one host as it is. active is systemd's word; done says what was done with it just now."""

    host: str
    name: str
    receipt: InstanceReceipt | Unknown | None = None
    active: str = ""
    restarts: int | Unknown | None = None
    differences: tuple[Difference, ...] = ()
    error: GlmprovError | None = None
    done: str = ""
