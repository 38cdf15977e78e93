"""A host as a person wants to see it: system, sockets, cards, limits, links, sets, what runs on it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from glmprov import topology
from glmprov.hardware import Hardware, System
from glmprov.observation import Observation
from glmprov.report.facts.cards import Paint, card_rows, links, sets, table
from glmprov.report.facts.explained import sets_text
from glmprov.report.facts.summary import summary
from glmprov.report.facts.tree import cpu_ranges, gib, tree
from glmprov.report.values import data, short
from glmprov.state import Unknown
from glmprov.topology import NamedSets

_STYLES = {"title": "1", "dim": "2", "warn": "33", "bad": "31"}


def text(
    observation: Observation,
    width: int = 100,
    color: bool = False,
    named: NamedSets = topology.NONE_NAMED,
) -> str:
    """Return a host drawn as text, folded at width where words allow; with color, in terminal sequences."""
    hardware = observation.hardware
    paint = _paint(color)
    blocks = [
        [paint("title", observation.host) + "  " + _system_line(hardware.system), "  " + _cpu_line(hardware)],
        _keys(summary(observation), width, paint),
        ["  " + line for line in tree(hardware, width - 2)],
        ["  " + line for line in table(card_rows(hardware, paint))],
        ["  " + line for line in links(hardware)],
        ["  " + line for line in sets(hardware, named)],
        _keys(
            _trouble(observation), width, lambda style, what: paint("warn" if style == "dim" else style, what)
        ),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def explained_sets(
    observation: Observation,
    width: int = 100,
    color: bool = False,
    named: NamedSets = topology.NONE_NAMED,
) -> str:
    """Return a host's sets of cards as text, each with its reasons."""
    return sets_text(observation, named, width, _paint(color))


def as_json(observation: Observation, named: NamedSets = topology.NONE_NAMED) -> dict[str, Any]:
    """Return a host for programs, under the keys of schema glmprov/facts/1.

    What could not be read is {"unknown": reason}.
    """
    hardware = observation.hardware
    return {
        "observed_at": observation.observed_at,
        "system": data(hardware.system),
        "cpu": data(hardware.cpu),
        "numa_nodes": data(hardware.numa_nodes),
        "cards": data(hardware.cards),
        "gpus": data(hardware.gpus),
        "links": _pairs(hardware.links),
        "p2p": _pairs(hardware.p2p),
        "gpu_sets": data(topology.gpu_sets(hardware, named)),
        "processes": data(hardware.processes),
        "xids": data(hardware.xids),
        "iommu_groups": data(hardware.iommu_groups),
        "state": data(observation.state),
        "receipt": data(observation.receipt),
        "serving": data(observation.serving),
        "hung": data(observation.hung),
        "remarks": data(observation.remarks),
    }


def _paint(color: bool) -> Paint:
    return (
        (lambda style, what: f"\x1b[{_STYLES[style]}m{what}\x1b[0m") if color else (lambda _style, what: what)
    )


def _keys(pairs: Iterable[tuple[str, str]], width: int, paint: Paint) -> list[str]:
    """Return "key  value" lines, a long value folded under itself."""
    lines = []
    for key, value in pairs:
        folded = textwrap.wrap(value, max(width - 14, 30), break_long_words=False) or [""]
        lines.append("  " + paint("dim", f"{key:<11}") + " " + folded[0])
        lines += [" " * 14 + line for line in folded[1:]]
    return lines


def _system_line(system: System) -> str:
    name = " ".join(part for part in (system.distribution, system.release) if part) or "unknown distribution"
    parts = [
        f"{name} ({system.codename})" if system.codename else name,
        f"Linux {system.kernel}",
        system.architecture,
    ]
    return ", ".join(part for part in (*parts, system.virtualization) if part)


def _cpu_line(hardware: Hardware) -> str:
    cpu = hardware.cpu
    off = f" (offline: {cpu_ranges(cpu.offline)})" if cpu.offline else ""
    memory = gib(hardware.system.memory_bytes)
    return f"{cpu.sockets} × {cpu.model or 'unknown processor'}, {cpu.online} CPUs{off}, {memory}"


def _trouble(observation: Observation) -> Iterator[tuple[str, str]]:
    hardware = observation.hardware
    for process in hardware.processes:
        memory = "?" if isinstance(process.memory_bytes, Unknown) else gib(process.memory_bytes)
        yield "process", f"{process.command} ({process.pid}) holds {memory} of {short(process.gpu_uuid)}"
    for name in observation.serving:
        yield "serving", name
    for bus_id, numbers in hardware.xids.items():
        yield "Xid", f"{', '.join(map(str, numbers))} on {bus_id} since boot"
    for line in observation.hung:
        yield "HUNG", line
    for line in observation.remarks:
        yield "note", line


def _pairs(mapping: Mapping[tuple[str, str], str]) -> list[dict[str, str]]:
    return [
        {"from": one, "to": other, "is": said}
        for (one, other), said in sorted(mapping.items())
        if one < other
    ]
