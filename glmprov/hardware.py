"""What a host is: cards, sockets, PCIe, system. Read by the probe, never assumed, never changed by us."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from glmprov.state import Unknown


@dataclass(frozen=True)
class NumaNode:
    """One NUMA node. cpus are the online CPU numbers, possibly with holes; distances are by node id."""

    node_id: int
    cpus: tuple[int, ...]
    memory_bytes: int
    distances: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Cpu:
    """The processors. sockets counts physical packages; offline lists CPUs that the kernel left out."""

    model: str
    sockets: int
    online: int
    offline: tuple[int, ...] = ()


@dataclass(frozen=True)
class PciCard:
    """An NVIDIA display device as the kernel sees it: known before any driver is there.

    bus_id is in sysfs form ("0000:06:00.0") and may move between boots. numa_node is -1 where the firmware
    doesn't say. bridges are the bus ids of the PCIe bridges above the card, nearest first; root is the host bridge
    ("pci0000:00"). link_* are what sysfs says now; generation falls to 1 when idle.
    """

    bus_id: str
    device_id: str
    numa_node: int
    bridges: tuple[str, ...] = ()
    root: str = ""
    driver: str | None = None
    link_width: int | None = None
    max_link_width: int | None = None
    link_generation: int | None = None
    max_link_generation: int | None = None


@dataclass(frozen=True)
class Gpu:
    """A card as NVML sees it. Known by uuid; index and minor are today's numbers and differ from each other.

    A value that the card doesn't support or that can't be read is Unknown with a reason.
    """

    uuid: str
    index: int
    minor: int | Unknown
    name: str
    bus_id: str
    memory_bytes: int | Unknown
    bar1_bytes: int | Unknown
    power_limit_watts: int | Unknown
    enforced_limit_watts: int | Unknown
    default_limit_watts: int | Unknown
    min_limit_watts: int | Unknown
    max_limit_watts: int | Unknown
    persistence_mode: bool | Unknown
    compute_capability: tuple[int, int] | Unknown
    vbios: str | Unknown
    serial: str | Unknown = Unknown("not read")
    temperature_celsius: int | Unknown = Unknown("not read")
    power_watts: float | Unknown = Unknown("not read")
    memory_used_bytes: int | Unknown = Unknown("not read")
    ecc_enabled: bool | Unknown = Unknown("not read")
    mig_enabled: bool | Unknown = Unknown("not read")
    link_generation: int | Unknown = Unknown("not read")
    link_width: int | Unknown = Unknown("not read")
    max_link_generation: int | Unknown = Unknown("not read")
    max_link_width: int | Unknown = Unknown("not read")

    @property
    def limit_in_force(self) -> bool | Unknown:
        """The card enforces the limit that it was given. Both are rounded, so 1 W less is no less."""
        given, enforced = self.power_limit_watts, self.enforced_limit_watts
        if isinstance(given, Unknown):
            return given
        if isinstance(enforced, Unknown):
            return enforced
        return enforced >= given - 1


@dataclass(frozen=True)
class GpuProcess:
    """A process that holds memory of a card."""

    gpu_uuid: str
    pid: int
    command: str
    memory_bytes: int | Unknown


@dataclass(frozen=True)
class System:
    """The operating system. distribution is os-release's ID ("ubuntu"), release its VERSION_ID ("24.04")."""

    hostname: str
    distribution: str
    release: str
    codename: str
    kernel: str
    architecture: str
    boot_id: str
    virtualization: str | None = None
    secure_boot: bool | Unknown = Unknown("not read")
    memory_bytes: int = 0


@dataclass(frozen=True)
class Hardware:
    """Everything about a host that we read and never set.

    cards is what the PCI bus shows and is there on a bare host; gpus is what NVML shows, or Unknown with the reason
    (no driver yet, driver not loaded, library mismatch, hung call). p2p maps a pair of uuids to NVML's read status
    ("OK", "CHIPSET_NOT_SUPPORTED", …) and link to its topology class ("PIX", "PXB", "PHB", "NODE", "SYS").
    xids are driver error numbers found in the journal of this boot, by bus id. virtual_machines says in words what
    shows that this host runs some.
    """

    system: System
    cpu: Cpu
    numa_nodes: tuple[NumaNode, ...]
    cards: tuple[PciCard, ...]
    gpus: tuple[Gpu, ...] | Unknown
    links: Mapping[tuple[str, str], str] = field(default_factory=dict)
    p2p: Mapping[tuple[str, str], str] = field(default_factory=dict)
    processes: tuple[GpuProcess, ...] = ()
    xids: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    iommu_groups: int | Unknown = Unknown("not read")
    virtual_machines: tuple[str, ...] = ()
