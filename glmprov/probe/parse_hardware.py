"""The payload's answer → system, processors, NUMA nodes and PCI devices."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from glmprov.hardware import Cpu, NumaNode, PciCard, System
from glmprov.probe.answer import Answer
from glmprov.probe.texts import cpu_list, key_values, meminfo_bytes
from glmprov.probe.wanted import CPUINFO, EFI, IOMMU_GROUPS, SECURE_BOOT
from glmprov.state import Unknown

NODES = "/sys/devices/system/node/node"
CPUS = "/sys/devices/system/cpu/"

GENERATIONS = {
    "2.5": 1,
    "5": 2,
    "5.0": 2,
    "8": 3,
    "8.0": 3,
    "16": 4,
    "16.0": 4,
    "32": 5,
    "32.0": 5,
    "64": 6,
    "64.0": 6,
}
"""PCIe generation by transfer rate in GT/s (PCI Express base specification)."""


def system(answer: Answer) -> System:
    """Return the operating system; what could not be read of it is empty."""
    release = dict(key_values(_text(answer, "/etc/os-release")))
    names = answer.part("uname")
    uname = [str(name) for name in names] if isinstance(names, list) and len(names) == 5 else [""] * 5
    return System(
        hostname=uname[1],
        distribution=release.get("ID", ""),
        release=release.get("VERSION_ID", ""),
        codename=release.get("VERSION_CODENAME", ""),
        kernel=uname[2],
        architecture=uname[4],
        boot_id=_text(answer, "/proc/sys/kernel/random/boot_id").strip(),
        virtualization=_virtualization(answer),
        secure_boot=secure_boot(answer),
        memory_bytes=meminfo_bytes(_text(answer, "/proc/meminfo")),
    )


def cpu(answer: Answer) -> Cpu:
    """Return the processors. Sockets are counted by physical package, not by NUMA node."""
    info = _head(answer)
    model = re.search(r"^model name\s*:\s*(.+)$", info, re.MULTILINE)
    sockets = answer.part("sockets")
    return Cpu(
        model=model[1].strip() if model else "",
        sockets=1 if isinstance(sockets, Unknown) else max(1, len(sockets)),
        online=len(_cpus(answer, "online")),
        offline=_offline(answer),
    )


def numa_nodes(answer: Answer) -> tuple[NumaNode, ...]:
    """Return the NUMA nodes with their online CPUs; one node of everything on a kernel that knows none."""
    numbers = sorted(
        int(found[1])
        for path in answer.texts(NODES)
        if (found := re.fullmatch(re.escape(NODES) + r"(\d+)/cpulist", path))
    )
    if not numbers:
        return (NumaNode(0, _cpus(answer, "online"), meminfo_bytes(_text(answer, "/proc/meminfo"))),)
    return tuple(_node(answer, number, numbers) for number in numbers)


def _node(answer: Answer, number: int, numbers: list[int]) -> NumaNode:
    offline = set(_offline(answer))
    distances = _text(answer, f"{NODES}{number}/distance").split()
    # An only node has it all. Kernels that set up memory late show less of it here than in /proc/meminfo.
    memory = f"{NODES}{number}/meminfo" if len(numbers) > 1 else "/proc/meminfo"
    return NumaNode(
        node_id=number,
        cpus=tuple(c for c in _list(_text(answer, f"{NODES}{number}/cpulist")) if c not in offline),
        memory_bytes=meminfo_bytes(_text(answer, memory)),
        # The kernel prints one distance for each node that is online, in their order.
        distances={to: int(d) for to, d in zip(numbers, distances, strict=False) if d.isdigit()},
    )


def cards(answer: Answer) -> tuple[PciCard, ...]:
    """Return the NVIDIA display devices in the order of their bus ids."""
    found = answer.part("pci")
    return () if isinstance(found, Unknown) else tuple(_card(card) for card in found)


def _card(card: Mapping[str, Any]) -> PciCard:
    def value(name: str) -> str:
        text = card.get(name)
        return text.strip() if isinstance(text, str) else ""

    parts = value("path").split("/")
    node = value("numa_node")
    return PciCard(
        bus_id=str(card["bus_id"]).lower(),
        device_id=value("device").removeprefix("0x").lower(),
        numa_node=int(node) if re.fullmatch(r"-?\d+", node) else -1,
        bridges=tuple(part.lower() for part in reversed(parts[:-1]) if part.count(":") == 2),
        root=next((part for part in parts if part.startswith("pci")), ""),
        driver=value("driver").rpartition("/")[2] or None,
        link_width=_width(value("current_link_width")),
        max_link_width=_width(value("max_link_width")),
        link_generation=link_generation(value("current_link_speed")),
        max_link_generation=link_generation(value("max_link_speed")),
    )


def link_generation(speed: str) -> int | None:
    """Given sysfs' link speed ("32.0 GT/s PCIe"), return the PCIe generation, None if it says nothing."""
    return GENERATIONS.get(speed.split(" ")[0])


def _width(text: str) -> int | None:
    return int(text) if text.isdigit() and 0 < int(text) <= 32 else None


def iommu_groups(answer: Answer) -> int | Unknown:
    """Return the number of IOMMU groups, 0 where no IOMMU is active."""
    folders = answer.part("folders")
    if isinstance(folders, Unknown):
        return folders
    groups = folders.get(IOMMU_GROUPS)
    if groups is None:
        return 0
    return len(groups) if isinstance(groups, list) else Unknown(str(groups.get("error")))


def secure_boot(answer: Answer) -> bool | Unknown:
    """Tell whether the firmware lets the kernel load signed modules only."""
    folders = answer.part("folders")
    if isinstance(folders, Unknown):
        return folders
    if folders.get(EFI) is None:
        return False  # started by something else than EFI firmware
    variable = answer.text(SECURE_BOOT, "hex")
    if isinstance(variable, Unknown):
        return variable
    # Four bytes of attributes, then one byte that is 1 where Secure Boot is on (UEFI specification, 3.3).
    return variable[8:10] == "01" if variable else Unknown("the firmware shows no SecureBoot variable")


def _virtualization(answer: Answer) -> str | None:
    container = answer.text("/run/systemd/container")
    if isinstance(container, str) and container.strip():
        return container.strip()
    if not re.search(r"^flags\s*:.*\bhypervisor\b", _head(answer), re.MULTILINE):
        return None
    vendor = _text(answer, "/sys/class/dmi/id/sys_vendor").strip()
    product = _text(answer, "/sys/class/dmi/id/product_name").strip()
    return " ".join(word for word in (vendor, product) if word) or "virtual machine"


def _head(answer: Answer) -> str:
    text = answer.text(CPUINFO, "heads")
    return text if isinstance(text, str) else ""


def _text(answer: Answer, path: str) -> str:
    text = answer.text(path)
    return text if isinstance(text, str) else ""


def _cpus(answer: Answer, which: str) -> tuple[int, ...]:
    return _list(_text(answer, CPUS + which))


def _offline(answer: Answer) -> tuple[int, ...]:
    """Return the CPUs that are there and not online; numbers that no socket is wired for don't count."""
    present, online = set(_cpus(answer, "present")), set(_cpus(answer, "online"))
    return tuple(sorted((set(_cpus(answer, "offline")) & present if present else set()) | (present - online)))


def _list(text: str) -> tuple[int, ...]:
    try:
        return cpu_list(text)
    except ValueError:
        return ()
