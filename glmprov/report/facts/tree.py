"""Sockets and the PCIe tree down to the cards, drawn with lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from glmprov import topology
from glmprov.hardware import Hardware
from glmprov.report.values import short
from glmprov.state import Unknown
from glmprov.topology import Card

Branch = dict[str, Any]
"""Bridges and roots by bus id; a leaf is a Card."""


def tree(hardware: Hardware, width: int) -> list[str]:
    """Return the host's sockets, their NUMA nodes and the cards below their PCIe roots."""
    socket_of = topology.sockets_by_node(hardware.numa_nodes, hardware.cpu.sockets)
    cards = topology.cards(hardware)
    lines = []
    for socket in sorted(set(socket_of.values())):
        lines.append(f"socket {socket}")
        for node in hardware.numa_nodes:
            if socket_of[node.node_id] == socket:
                lines.append(f"│ node {node.node_id}: CPUs {cpu_ranges(node.cpus)}, {gib(node.memory_bytes)}")
        lines += _branches(_grown(hardware, [card for card in cards if card.socket == socket]), hardware)
    homeless = [card for card in cards if card.socket not in socket_of.values()]
    if homeless:
        lines += [
            "socket unknown (the firmware names no NUMA node)",
            *_branches(_grown(hardware, homeless), hardware),
        ]
    return [line[:width] for line in lines]


def _grown(hardware: Hardware, cards: Sequence[Card]) -> Branch:
    roots = {card.bus_id: card.root for card in hardware.cards}
    grown: Branch = {}
    for card in cards:
        branch = grown
        for bridge in (roots.get(card.bus_id) or "pci?", *card.path):
            branch = branch.setdefault(bridge, {})
        branch[card.bus_id] = card
    return grown


def _branches(branch: Branch, hardware: Hardware, indent: str = "") -> Iterator[str]:
    """Yield the lines of a branch. Bridges in a row with nothing else below them share a line."""
    for position, (name, below) in enumerate(branch.items()):
        last = position == len(branch) - 1
        names = [name]
        while isinstance(below, Mapping) and len(below) == 1:
            (only, below), *_ = below.items()
            names.append(only)
        yield (
            indent
            + ("└─ " if last else "├─ ")
            + " › ".join(_brief(each) for each in names)
            + _of(below, hardware)
        )
        if isinstance(below, dict):
            yield from _branches(below, hardware, indent + ("   " if last else "│  "))


def _of(below: Any, hardware: Hardware) -> str:
    """Return what a line says of the card at its end, nothing for a bridge."""
    if not isinstance(below, Card):
        return ""
    gpus = () if isinstance(hardware.gpus, Unknown) else hardware.gpus
    gpu = next((gpu for gpu in gpus if gpu.uuid == below.key), None)
    node = next((card.numa_node for card in hardware.cards if card.bus_id == below.bus_id), -1)
    words = [f"GPU {gpu.index}" if gpu else "card", below.entry.name if below.entry else below.edition]
    words += [short(gpu.uuid)] if gpu else []
    words += ["passed through"] if below.passed_through else []
    words += ["numa_node -1"] if node < 0 else []
    return "  " + "  ".join(words)


def _brief(bus_id: str) -> str:
    return bus_id.removeprefix("0000:")


def cpu_ranges(cpus: tuple[int, ...]) -> str:
    """Return CPU numbers as the kernel lists them ("0-63,128-191"), holes and all."""
    spans: list[list[int]] = []
    for cpu in sorted(set(cpus)):
        if spans and cpu == spans[-1][1] + 1:
            spans[-1][1] = cpu
        else:
            spans.append([cpu, cpu])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def gib(size: int) -> str:
    """Return bytes as whole GiB, with one digit where it is little."""
    number = size / (1 << 30)
    return f"{number:.0f} GiB" if number >= 100 else f"{number:.1f} GiB"
