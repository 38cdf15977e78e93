"""Hardware profiles of the rehearsal fleet: data in profiles/*.yml, read into typed records."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml

from glmprov.errors import LabError

_NOT_PROFILES = frozenset({"editions"})
MIB = 1 << 20


@dataclass(frozen=True)
class Edition:
    """What a kind of card says of itself. facts: what the simulated NVML answers beside, by key."""

    name: str
    pci_id: int
    pci_subsystem: int
    pci_class: int
    limits_watts: tuple[int, int, int]
    bar1_bytes: int
    vbios: str
    open_modules_only: bool
    facts: dict[str, int | str]


@dataclass(frozen=True)
class Card:
    """A card in a slot. path is the host bridge and the PCIe bridges down to it; node its true NUMA node."""

    bus_id: str
    edition: Edition
    node: int
    minor: int
    path: tuple[str, ...]
    uuid: str
    serial: str


@dataclass(frozen=True)
class Device:
    """A PCI device that is no card of ours: a network card, say."""

    bus_id: str
    pci_id: int
    pci_class: int
    node: int
    path: tuple[str, ...]
    driver: str


@dataclass(frozen=True)
class Numa:
    """A NUMA node: its online CPUs, and what NVML says of them where that differs."""

    cpus: tuple[int, ...]
    memory_mib: int
    distances: tuple[int, ...]
    nvml_cpus: str


@dataclass(frozen=True)
class Port:
    """What the PCIe bridges of one kind are, and where their ACS capability lies in configuration space."""

    pci_id: int
    acs_offset: int


@dataclass(frozen=True)
class Profile:
    """A machine to rehearse on. cpu and system are as written in the file; distribution: debian or ubuntu."""

    name: str
    summary: str
    distribution: str
    system: dict[str, Any]
    cpu: dict[str, Any]
    numa: tuple[Numa, ...]
    numa_node_hidden: bool
    cards: tuple[Card, ...]
    others: tuple[Device, ...]
    root_port: Port | None
    switch: Port | None


def names() -> list[str]:
    """Return the names of the profiles."""
    found = (path.name.removesuffix(".yml") for path in _folder().iterdir() if path.name.endswith(".yml"))
    return sorted(name for name in found if name not in _NOT_PROFILES)


def load(name: str, owner: str = "") -> Profile:
    """Return the profile of that name. owner names the machine that has it: its cards' UUIDs follow from it.

    Raise LabError naming the choices if there is no such profile.
    """
    if name not in names():
        raise LabError(f"no hardware profile {name}", next_step=f"Choose one of: {', '.join(names())}.")
    data = _read(name)
    editions = _read("editions")
    root_port, switch = data.get("root_port"), data.get("switch")
    return Profile(
        name=name,
        summary=data["summary"],
        distribution=data.get("distribution", "debian"),
        system=data["system"],
        cpu=data["cpu"],
        numa=tuple(_numa(item) for item in data["numa"]),
        numa_node_hidden=data.get("numa_node_hidden", False),
        cards=tuple(_card(item, editions[item["edition"]], f"{owner}/{name}") for item in data["cards"]),
        others=tuple(Device(**{**item, "path": tuple(item["path"])}) for item in data.get("others", [])),
        root_port=Port(**root_port) if root_port else None,
        switch=Port(**switch) if switch else None,
    )


def cpu_numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of a kernel CPU list ("0-3,8")."""
    numbers: list[int] = []
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        numbers.extend(range(int(first), int(last or first) + 1))
    return tuple(numbers)


def cpu_list(numbers: Iterable[int]) -> str:
    """Return CPU numbers as the kernel writes them ("0-3,8")."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def _folder() -> Any:
    return files("glmprov.lab") / "profiles"


def _read(name: str) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load((_folder() / f"{name}.yml").read_text())
    return data


def _numa(item: dict[str, Any]) -> Numa:
    return Numa(
        cpus=cpu_numbers(item["cpus"]),
        memory_mib=item["memory_mib"],
        distances=tuple(item["distances"]),
        nvml_cpus=item.get("nvml_cpus", item["cpus"]),
    )


def _card(item: dict[str, Any], edition: dict[str, Any], seed: str) -> Card:
    digest = hashlib.sha256(f"{seed}/{item['bus_id']}".encode()).digest()
    return Card(
        bus_id=item["bus_id"],
        edition=_edition(edition),
        node=item["node"],
        minor=item["minor"],
        path=tuple(item["path"]),
        uuid=f"GPU-{uuid.UUID(bytes=digest[:16])}",
        serial=f"17{int.from_bytes(digest[16:20], 'big') % 10**11:011d}",
    )


def _edition(item: dict[str, Any]) -> Edition:
    own = {
        "name",
        "pci_id",
        "pci_subsystem",
        "pci_class",
        "limits_watts",
        "bar1_mib",
        "vbios",
        "open_modules_only",
    }
    least, default, most = item["limits_watts"]
    return Edition(
        name=item["name"],
        pci_id=item["pci_id"],
        pci_subsystem=item["pci_subsystem"],
        pci_class=item["pci_class"],
        limits_watts=(least, default, most),
        bar1_bytes=item["bar1_mib"] * MIB,
        vbios=item["vbios"],
        open_modules_only=item["open_modules_only"],
        facts={key: value for key, value in item.items() if key not in own},
    )
