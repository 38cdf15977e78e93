"""The table of cards, the links between them, and the sets that they make."""

from __future__ import annotations

from collections.abc import Callable

from glmprov import topology
from glmprov.hardware import Gpu, Hardware
from glmprov.report.facts.tree import cpu_ranges, gib
from glmprov.report.values import short
from glmprov.state import Unknown
from glmprov.topology import NamedSets

Paint = Callable[[str, str], str]
"""Takes the name of a style and a text; returns the text in that style."""


def card_rows(hardware: Hardware, paint: Paint) -> list[list[str]]:
    """Return the table of cards: as NVML sees them, or as the PCI bus does where there is no NVML."""
    if isinstance(hardware.gpus, Unknown):
        reason = paint("warn", f"NVML: {hardware.gpus.reason}")
        return [[reason]] if hardware.cards else [["no NVIDIA card on the PCI bus"]]
    head = [
        "GPU",
        "minor",
        "UUID",
        "limit",
        "default",
        "min–max",
        "draw",
        "temp",
        "memory",
        "BAR1",
        "link",
        "persist",
    ]
    return [head, *(_card_row(gpu) for gpu in hardware.gpus)]


def _card_row(gpu: Gpu) -> list[str]:
    enforced = gpu.enforced_limit_watts
    limit = _number(gpu.power_limit_watts, "W")
    if isinstance(enforced, int) and enforced != gpu.power_limit_watts:
        limit += f" ({enforced} enforced)"
    return [
        str(gpu.index),
        _number(gpu.minor),
        short(gpu.uuid),
        limit,
        _number(gpu.default_limit_watts, "W"),
        f"{_number(gpu.min_limit_watts)}–{_number(gpu.max_limit_watts, 'W')}",
        _number(gpu.power_watts, "W"),
        _number(gpu.temperature_celsius, "°C"),
        "?" if isinstance(gpu.memory_bytes, Unknown) else gib(gpu.memory_bytes),
        "?" if isinstance(gpu.bar1_bytes, Unknown) else gib(gpu.bar1_bytes),
        link(gpu),
        "?" if isinstance(gpu.persistence_mode, Unknown) else "on" if gpu.persistence_mode else "off",
    ]


def link(gpu: Gpu) -> str:
    """Return a card's PCIe link: what it can do, and what it does now where that is less."""
    now, most = gpu.link_generation, gpu.max_link_generation
    width, widest = gpu.link_width, gpu.max_link_width
    if isinstance(now, Unknown) or isinstance(width, Unknown):
        return "?"
    words = [f"x{width}" if width == widest or isinstance(widest, Unknown) else f"x{width} of x{widest}!"]
    words.append(f"Gen{now}" if now == most or isinstance(most, Unknown) else f"Gen{most} (Gen{now} now)")
    return " ".join(words)


def _number(value: float | Unknown, unit: str = "") -> str:
    return "?" if isinstance(value, Unknown) else f"{value:.0f} {unit}".rstrip()


def table(rows: list[list[str]]) -> list[str]:
    """Return rows of cells as lines, the columns under each other."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    return [
        "  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def links(hardware: Hardware) -> list[str]:
    """Return the matrix of links, and what the driver says of P2P."""
    gpus = () if isinstance(hardware.gpus, Unknown) else hardware.gpus
    if len(gpus) < 2:
        return []
    head = ["links", *(str(gpu.index) for gpu in gpus)]
    rows = [
        [
            f"GPU {one.index}",
            *("·" if one is other else hardware.links.get((one.uuid, other.uuid), "?") for other in gpus),
        ]
        for one in gpus
    ]
    return [*table([head, *rows]), *_p2p(hardware, gpus), *_idle(gpus)]


def _p2p(hardware: Hardware, gpus: tuple[Gpu, ...]) -> list[str]:
    said: dict[str, list[str]] = {}
    for one in gpus:
        for other in gpus:
            if one.index < other.index:
                status = hardware.p2p.get((one.uuid, other.uuid), "unknown")
                said.setdefault(status, []).append(f"{one.index}-{other.index}")
    if len(said) == 1:
        return [f"P2P: {next(iter(said))} for every pair, says the driver (its word, not a test)"]
    return [f"P2P {status}: {' '.join(pairs)}" for status, pairs in said.items()]


def _idle(gpus: tuple[Gpu, ...]) -> list[str]:
    lower = any(
        isinstance(g.link_generation, int) and g.link_generation != g.max_link_generation for g in gpus
    )
    return ["A link drops to Gen1 while its card is idle; that is by design and no fault."] if lower else []


def sets(hardware: Hardware, named: NamedSets = topology.NONE_NAMED) -> list[str]:
    """Return a line for each set of cards, with its reason."""
    gpus = (
        {} if isinstance(hardware.gpus, Unknown) else {gpu.uuid: f"GPU {gpu.index}" for gpu in hardware.gpus}
    )
    lines = []
    for each in topology.gpu_sets(hardware, named):
        names = ", ".join(gpus.get(key, key.removeprefix("0000:")) for key in each.keys)
        where = f"; CPUs {cpu_ranges(each.cpus)}" if each.cpus else ""
        title = f"set {each.name}" if each.name else "set"
        lines.append(f"{title} of {len(each.keys)}: {names} ({each.reason}{where})")
    return lines
