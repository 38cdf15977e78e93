"""A host as a person wants to see it: system, sockets, cards, limits, links, sets, what runs on it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from glmprov import topology
from glmprov.hardware import Gpu, Hardware, System
from glmprov.observation import Observation
from glmprov.receipt import Receipt
from glmprov.report.facts_tree import cpu_ranges, gib, tree
from glmprov.report.values import data, plain, short
from glmprov.state import ContainerEngine, GpuDriver, Setting, Unknown

Paint = Callable[[str, str], str]
_STYLES = {"title": "1", "dim": "2", "warn": "33", "bad": "31"}


def text(observation: Observation, width: int = 100, color: bool = False) -> str:
    """Return a host drawn as text, folded at width where words allow; with color, in terminal sequences."""
    hardware = observation.hardware
    paint = _paint(color)
    blocks = [
        [paint("title", observation.host) + "  " + _system_line(hardware.system), "  " + _cpu_line(hardware)],
        _keys(_summary(observation), width, paint),
        ["  " + line for line in tree(hardware, width - 2)],
        ["  " + line for line in _table(_card_rows(hardware, paint))],
        ["  " + line for line in _links(hardware)],
        ["  " + line for line in _sets(hardware)],
        _keys(
            _trouble(observation), width, lambda style, what: paint("warn" if style == "dim" else style, what)
        ),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def as_json(observation: Observation) -> dict[str, Any]:
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
        "gpu_sets": data(topology.gpu_sets(hardware)),
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


def _summary(observation: Observation) -> Iterator[tuple[str, str]]:
    state, hardware = observation.state, observation.hardware
    if state.gpu_driver:
        yield "driver", _driver(state.gpu_driver)
    if state.container_engine:
        yield "engine", _engine(state.container_engine)
    if power := state.gpu_power:
        yield "power", f"boot unit {plain(power.boot_unit)}"
    if tuning := state.host_tuning:
        yield "tuning", ", ".join(_tuning(hardware, tuning.cpu_governor, tuning.acs_disabled))
    if nccl := state.nccl_env:
        yield "nccl", plain(nccl.env) if not isinstance(nccl.env, Mapping) else " ".join(_env(nccl.env))
        if isinstance(nccl.elsewhere, Mapping) and nccl.elsewhere:
            yield "nccl also", plain(nccl.elsewhere)
    yield "receipt", _receipt(observation.receipt)


def _driver(driver: GpuDriver) -> str:
    if driver.version is None:
        return "none"
    words = [_version(driver.version)]
    if isinstance(driver.open_modules, bool):
        words.append("open modules" if driver.open_modules else "proprietary modules")
    if isinstance(driver.held, Mapping):
        words.append(f"{sum(driver.held.values())} of {len(driver.held)} packages held")
    if isinstance(driver.pinned, bool):
        words.append("pinned" if driver.pinned else "not pinned")
    if not isinstance(driver.persistence_daemon, Unknown):
        words.append(f"persistence daemon {plain(driver.persistence_daemon)}")
    return ", ".join(words)


def _version(version: Any) -> str:
    """Return which driver runs, and which is installed where that is another one."""
    if not isinstance(version, Setting):
        return plain(version)
    if version.effective is None:
        return f"{plain(version.declared)} installed, not loaded"
    loaded = f"{plain(version.effective)} loaded"
    if isinstance(version.declared, Unknown):
        return loaded
    if version.declared is None:
        return f"{loaded}, from no package"
    if version.declared == version.effective:
        return str(version.effective)
    return f"{loaded}, {plain(version.declared)} installed: they differ until a reload or reboot"


def _engine(engine: ContainerEngine) -> str:
    if not isinstance(engine.package, str):
        return plain(engine.package) if engine.package else "none"
    words = [engine.package, plain(engine.engine_version)] if engine.engine_version else [engine.package]
    running = engine.nvidia_runtime
    if isinstance(running, Unknown):
        words.append(f"({running.reason})")
    else:
        words.append(
            f"with{'' if running else 'out'} runtime nvidia, cgroup driver {plain(engine.cgroup_driver)}"
        )
    return " ".join(words) + f", toolkit {_toolkit(engine.toolkit, engine.toolkit_version)}"


def _toolkit(installed: bool | Unknown | None, version: str | Unknown | None) -> str:
    return (
        plain(version) if installed is True else plain(installed if isinstance(installed, Unknown) else None)
    )


def _tuning(hardware: Hardware, governor: Any, acs: Any) -> Iterator[str]:
    groups = hardware.iommu_groups
    yield f"IOMMU {plain(groups)}" if isinstance(groups, Unknown) else f"IOMMU {'on' if groups else 'off'}"
    yield f"Secure Boot {_on_off(hardware.system.secure_boot)}"
    if isinstance(governor, Setting):
        yield f"governor {plain(governor.effective) if governor.effective else 'none (no scaling)'}"
    if isinstance(acs, Mapping) and acs:
        off = sum(each.effective is True for each in acs.values())
        yield f"ACS redirects nothing on {off} of {len(acs)} bridges above the cards"


def _on_off(value: bool | Unknown) -> str:
    return plain(value) if isinstance(value, Unknown) else "on" if value else "off"


def _env(env: Mapping[str, str]) -> Iterator[str]:
    return (f"{name}={value}" for name, value in env.items())


def _receipt(receipt: Receipt | Unknown | None) -> str:
    if not isinstance(receipt, Receipt):
        return plain(receipt) if receipt else "none: glmprov has not provisioned this host"
    count = f"{len(receipt.cards)} card{'s' if len(receipt.cards) != 1 else ''}"
    who = f"by {receipt.by} from {receipt.controller}, glmprov {receipt.glmprov_version}"
    return f"{receipt.written_at} {who}, {count}"


def _card_rows(hardware: Hardware, paint: Paint) -> list[list[str]]:
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


def _table(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    return [
        "  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _links(hardware: Hardware) -> list[str]:
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
    return [*_table([head, *rows]), *_p2p(hardware, gpus), *_idle(gpus)]


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


def _sets(hardware: Hardware) -> list[str]:
    gpus = (
        {} if isinstance(hardware.gpus, Unknown) else {gpu.uuid: f"GPU {gpu.index}" for gpu in hardware.gpus}
    )
    lines = []
    for each in topology.gpu_sets(hardware):
        names = ", ".join(gpus.get(key, key.removeprefix("0000:")) for key in each.keys)
        where = f"; CPUs {cpu_ranges(each.cpus)}" if each.cpus else ""
        lines.append(f"set of {len(each.keys)}: {names} ({each.reason}{where})")
    return lines


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
