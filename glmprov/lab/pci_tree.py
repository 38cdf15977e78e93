"""The PCI part of a simulated machine: sysfs devices below their bridges, with configuration space."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

from glmprov.lab.profiles import Port, Profile, cpu_list

BRIDGE_CLASS = 0x060400
CONFIG_BYTES = 4096
EXPRESS_OFFSET = 0x60
ACS_CAPABLE = 0x5F
ACS_ENABLED = 0x1D
"""Source validation, request and completion redirect, upstream forwarding: what Linux sets with an IOMMU."""
_ROOT_PORT, _UPSTREAM, _DOWNSTREAM, _ENDPOINT = 4, 5, 6, 1


@dataclass
class _Node:
    bus_id: str
    pci_id: int
    pci_class: int
    express_type: int
    node: int
    path: tuple[str, ...]
    subsystem: int = 0
    driver: str | None = None
    acs_offset: int | None = None
    bar1_bytes: int = 0
    buses_below: set[int] = field(default_factory=set)


def write(profile: Profile, sys: Path) -> None:
    """Write devices/pciDDDD:BB/… and bus/pci/devices/BUS_ID -> … below sys, as the kernel lays them out."""
    links = sys / "bus/pci/devices"
    links.mkdir(parents=True, exist_ok=True)
    for node in _nodes(profile).values():
        folder = sys.joinpath("devices", *node.path, node.bus_id)
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in _files(profile, node).items():
            (folder / name).write_text(content)
        (folder / "config").write_bytes(config_space(node))
        link = links / node.bus_id
        link.unlink(missing_ok=True)
        link.symlink_to(Path("../../../devices", *node.path, node.bus_id))


def _nodes(profile: Profile) -> dict[str, _Node]:
    nodes: dict[str, _Node] = {}
    for card in profile.cards:
        kind = card.edition
        nodes[card.bus_id] = _Node(
            card.bus_id,
            kind.pci_id,
            kind.pci_class,
            _ENDPOINT,
            card.node,
            card.path,
            kind.pci_subsystem,
            bar1_bytes=kind.bar1_bytes,
        )
        _add_bridges(profile, nodes, card.path, card.bus_id, card.node)
    for other in profile.others:
        nodes[other.bus_id] = _Node(
            other.bus_id,
            other.pci_id,
            other.pci_class,
            _ENDPOINT,
            other.node,
            other.path,
            other.pci_id,
            other.driver,
        )
        _add_bridges(profile, nodes, other.path, other.bus_id, other.node)
    return nodes


def _add_bridges(
    profile: Profile, nodes: dict[str, _Node], path: tuple[str, ...], leaf: str, node: int
) -> None:
    below = (*path[1:], leaf)
    for depth, bus_id in enumerate(path[1:], start=1):
        port = profile.root_port if depth == 1 else profile.switch
        kind = _ROOT_PORT if depth == 1 else _UPSTREAM if depth % 2 == 0 else _DOWNSTREAM
        bridge = nodes.setdefault(
            bus_id, _bridge(bus_id, port or Port(0x1B36000C, 0x148), kind, node, path[:depth])
        )
        bridge.buses_below.update(int(item.split(":")[1], 16) for item in below[depth:])


def _bridge(bus_id: str, port: Port, kind: int, node: int, path: tuple[str, ...]) -> _Node:
    # Upstream ports of switches have no ACS capability on the captured host.
    acs = None if kind == _UPSTREAM else port.acs_offset
    return _Node(bus_id, port.pci_id, BRIDGE_CLASS, kind, node, path, port.pci_id, "pcieport", acs)


def _files(profile: Profile, node: _Node) -> dict[str, str]:
    hidden = profile.numa_node_hidden
    local = [cpu for numa in profile.numa for cpu in numa.cpus] if hidden else profile.numa[node.node].cpus
    vendor, device = node.pci_id >> 16, node.pci_id & 0xFFFF
    is_card = node.bar1_bytes > 0
    idle = "32.0 GT/s PCIe" if profile.system["virtual"] or not is_card else "2.5 GT/s PCIe"
    driver = f"DRIVER={node.driver}\n" if node.driver else ""
    return {
        "vendor": f"0x{vendor:04x}\n",
        "device": f"0x{device:04x}\n",
        "class": f"0x{node.pci_class:06x}\n",
        "revision": "0xa1\n" if is_card else "0x00\n",
        "subsystem_vendor": f"0x{node.subsystem >> 16:04x}\n",
        "subsystem_device": f"0x{node.subsystem & 0xFFFF:04x}\n",
        "numa_node": f"{-1 if hidden else node.node}\n",
        "local_cpulist": cpu_list(local) + "\n",
        "irq": "0\n",
        "enable": "1\n",
        "power_state": "D0\n",
        "current_link_speed": idle + "\n",
        "max_link_speed": "32.0 GT/s PCIe\n",
        "current_link_width": "16\n",
        "max_link_width": "16\n",
        "resource": _resource(node),
        "uevent": f"{driver}PCI_CLASS={node.pci_class:X}\nPCI_ID={vendor:04X}:{device:04X}\n"
        f"PCI_SUBSYS_ID={node.subsystem >> 16:04X}:{node.subsystem & 0xFFFF:04X}\n"
        f"PCI_SLOT_NAME={node.bus_id}\n"
        f"MODALIAS=pci:v{vendor:08X}d{device:08X}\n",
    }


def _resource(node: _Node) -> str:
    lines = ["0x0000000000000000 0x0000000000000000 0x0000000000000000"] * 13
    if node.bar1_bytes:
        start = 0x760_0000_0000 + int(node.bus_id.split(":")[1], 16) * (1 << 39)
        lines[0] = f"0x{start - (64 << 20):016x} 0x{start - 1:016x} 0x000000000014220c"
        lines[1] = f"0x{start:016x} 0x{start + node.bar1_bytes - 1:016x} 0x000000000014220c"
    return "\n".join(lines) + "\n"


def config_space(node: _Node) -> bytes:
    """Return a device's configuration space: header, PCI Express capability and, on bridges, ACS.

    Layout by the PCI Express base specification as Linux' pci_regs.h names it.
    """
    space = bytearray(CONFIG_BYTES)
    is_bridge = node.pci_class == BRIDGE_CLASS
    vendor, device = node.pci_id >> 16, node.pci_id & 0xFFFF
    struct.pack_into("<HHHH", space, 0x00, vendor, device, 0x0406, 0x0010)
    struct.pack_into("<I", space, 0x08, node.pci_class << 8 | (0 if is_bridge else 0xA1))
    space[0x0E] = 1 if is_bridge else 0
    space[0x34] = EXPRESS_OFFSET
    if is_bridge:
        primary = int(node.bus_id.split(":")[1], 16)
        struct.pack_into("BBB", space, 0x18, primary, min(node.buses_below), max(node.buses_below))
    else:
        struct.pack_into("<HH", space, 0x2C, node.subsystem >> 16, node.subsystem & 0xFFFF)
    # Link: capable of 32 GT/s x16 (speed code 5); an idle card runs at 2.5 GT/s (code 1).
    speed = 5 if is_bridge else 1
    struct.pack_into("<HH", space, EXPRESS_OFFSET, 0x0010, 0x0002 | node.express_type << 4)
    struct.pack_into("<I", space, EXPRESS_OFFSET + 0x0C, 0x0000_0105)
    struct.pack_into("<H", space, EXPRESS_OFFSET + 0x12, 0x0100 | speed)
    acs = node.acs_offset
    # Advanced Error Reporting comes first, at 0x100, where the list of extended capabilities must begin.
    struct.pack_into("<I", space, 0x100, 0x0001 | 2 << 16 | (acs or 0) << 20)
    if acs is not None:
        struct.pack_into("<IHH", space, acs, 0x000D | 1 << 16, ACS_CAPABLE, ACS_ENABLED)
    return bytes(space)
