"""What one probe of a host returned, understood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from glmprov.deployed import ObservedInstance
from glmprov.hardware import Hardware
from glmprov.receipt import Packages, Receipt
from glmprov.state import HostState, Unknown


@dataclass(frozen=True)
class Observation:
    """A host at one moment. files are sha256 sums of the files under our names, None in it: unreadable or a link.

    packages are those that provisioning brought or moved.
    instances are those that glmprov deployed, by name.
    serving names the instances that run now, containers all running containers; hung names calls that didn't come back
    within their deadline. locked: somebody changes the host, or a run that was killed has left its lock.
    """

    host: str
    observed_at: str
    hardware: Hardware
    state: HostState
    receipt: Receipt | Unknown | None = None
    files: Mapping[str, str | None] = field(default_factory=dict)
    packages: Packages | Unknown = field(default_factory=Packages)
    serving: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    hung: tuple[str, ...] = ()
    instances: Mapping[str, ObservedInstance] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    locked: bool = False
