"""The payload's answer → cards as NVML sees them, links between them, processes on them, Xid errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from glmprov.hardware import Gpu, GpuProcess
from glmprov.probe.answer import Answer, known
from glmprov.state import Unknown

TOPOLOGY = {0: "X", 10: "PIX", 20: "PXB", 30: "PHB", 40: "NODE", 50: "SYS"}
"""nvmlGpuTopologyLevel_t under the names of `nvidia-smi topo -m` (NVML API reference)."""

P2P = (
    "OK",
    "CHIPSET_NOT_SUPPORTED",
    "GPU_NOT_SUPPORTED",
    "IOH_TOPOLOGY_NOT_SUPPORTED",
    "DISABLED_BY_REGKEY",
    "NOT_SUPPORTED",
    "UNKNOWN",
)
"""nvmlGpuP2PStatus_t by number (NVML API reference)."""


def gpus(answer: Answer) -> tuple[Gpu, ...] | Unknown:
    """Return the cards in the order of their index, or why NVML shows none."""
    nvml = _nvml(answer)
    if isinstance(nvml, Unknown):
        return nvml
    if not isinstance(nvml.get("count"), int):
        return Unknown(f"NVML can't count the cards: {_reason(nvml.get('count'))}")
    return tuple(_gpu(values) for values in nvml["gpus"] if isinstance(values.get("UUID"), str))


def lost(answer: Answer) -> tuple[str, ...]:
    """Return a line for each card that NVML counts and can't open."""
    nvml = _nvml(answer)
    if isinstance(nvml, Unknown):
        return ()
    return tuple(
        f"card with index {values.get('Index')}: {values.get('error') or _reason(values.get('UUID'))}"
        for values in nvml.get("gpus", ())
        if not isinstance(values.get("UUID"), str)
    )


def _nvml(answer: Answer) -> Any:
    if answer.parts.get("driver_loaded") is False:
        return Unknown("the NVIDIA driver is not loaded")
    if answer.parts.get("nvml_library") is False:
        return Unknown("libnvidia-ml.so.1 is not installed")
    nvml = answer.part("nvml")
    if isinstance(nvml, Unknown) and answer.parts.get("nvml", {}).get("code") == 18:
        return Unknown("driver/library version mismatch: the loaded driver is not the installed one, reboot")
    return nvml


def _gpu(values: Mapping[str, Any]) -> Gpu:
    limits = _value(values, "PowerManagementLimitConstraints")
    low, high = limits if isinstance(limits, list) else (limits, limits)
    return Gpu(
        uuid=values["UUID"],
        index=int(values["Index"]),
        minor=_value(values, "MinorNumber"),
        name=_or(_value(values, "Name"), str, ""),
        bus_id=sysfs_bus_id(_item(values, "PciInfo", "busId", str)),
        memory_bytes=_item(values, "MemoryInfo", "total", int),
        bar1_bytes=_item(values, "BAR1MemoryInfo", "bar1Total", int),
        power_limit_watts=_watts(_value(values, "PowerManagementLimit")),
        enforced_limit_watts=_watts(_value(values, "EnforcedPowerLimit")),
        default_limit_watts=_watts(_value(values, "PowerManagementDefaultLimit")),
        min_limit_watts=_watts(low),
        max_limit_watts=_watts(high),
        persistence_mode=_map(_value(values, "PersistenceMode"), bool),
        compute_capability=_map(_value(values, "CudaComputeCapability"), lambda pair: (pair[0], pair[1])),
        vbios=_value(values, "VbiosVersion"),
        serial=_value(values, "Serial"),
        temperature_celsius=_value(values, "Temperature"),
        power_watts=_map(_value(values, "PowerUsage"), lambda milliwatts: milliwatts / 1000),
        memory_used_bytes=_item(values, "MemoryInfo", "used", int),
        ecc_enabled=_map(_value(values, "EccMode"), lambda now_and_pending: bool(now_and_pending[0])),
        mig_enabled=_map(_value(values, "MigMode"), lambda now_and_pending: bool(now_and_pending[0])),
        link_generation=_value(values, "CurrPcieLinkGeneration"),
        link_width=_value(values, "CurrPcieLinkWidth"),
        max_link_generation=_value(values, "MaxPcieLinkGeneration"),
        max_link_width=_value(values, "MaxPcieLinkWidth"),
    )


def sysfs_bus_id(bus_id: str | Unknown) -> str:
    """Given NVML's bus id ("00000000:06:00.0"), return sysfs' form of it ("0000:06:00.0"); "" for Unknown."""
    if isinstance(bus_id, Unknown):
        return ""
    domain, _, rest = bus_id.lower().partition(":")
    return f"{int(domain, 16):04x}:{rest}" if re.fullmatch(r"[0-9a-f]+", domain) else bus_id.lower()


def links(answer: Answer) -> dict[tuple[str, str], str]:
    """Return the topology class of each pair of cards, by both orders of their UUIDs."""
    return _pairs(answer, 2, lambda level: TOPOLOGY.get(level, f"level {level}"))


def p2p(answer: Answer) -> dict[tuple[str, str], str]:
    """Return what the driver says of reading from one card to the other. OK is a promise, not a proof."""
    return _pairs(answer, 3, lambda status: P2P[status] if 0 <= status < len(P2P) else f"status {status}")


def _pairs(answer: Answer, column: int, meaning: Callable[[int], str]) -> dict[tuple[str, str], str]:
    nvml = _nvml(answer)
    if isinstance(nvml, Unknown):
        return {}
    uuids = {
        values["Index"]: values["UUID"] for values in nvml["gpus"] if isinstance(values.get("UUID"), str)
    }
    found = {}
    for row in nvml.get("pairs", ()):
        if row[0] in uuids and row[1] in uuids:
            said = (
                meaning(row[column]) if isinstance(row[column], int) else f"unknown: {_reason(row[column])}"
            )
            found[uuids[row[0]], uuids[row[1]]] = said
            found[uuids[row[1]], uuids[row[0]]] = said
    return found


def processes(answer: Answer) -> tuple[GpuProcess, ...]:
    """Return the processes that hold memory of a card, each once a card."""
    nvml = _nvml(answer)
    if isinstance(nvml, Unknown):
        return ()
    found = {}
    for values in nvml["gpus"]:
        for kind in ("ComputeProcesses", "GraphicsProcesses"):
            held = values.get(kind)
            for process in held if isinstance(held, list) else ():
                key = (str(values.get("UUID")), int(process["pid"]))
                used = process.get("usedGpuMemory")
                memory = used if isinstance(used, int) else Unknown("the driver doesn't say")
                found[key] = GpuProcess(*key, command_of(answer, key[1]), memory)
    return tuple(found.values())


def command_of(answer: Answer, pid: int) -> str:
    """Return the name of a process that holds memory of a card."""
    held = answer.part("processes")
    name = None if isinstance(held, Unknown) else held.get(str(pid), {}).get("comm")
    return name.strip() if isinstance(name, str) else "unknown process"


def xids(answer: Answer) -> dict[str, tuple[int, ...]] | Unknown:
    """Return the driver's error numbers in the journal of this boot by bus id, each once, oldest first.

    Where no driver is loaded the journal isn't asked: nobody is there who writes them.
    """
    if answer.parts.get("driver_loaded") is False:
        return {}
    commands = answer.part("commands")
    journal = (
        commands if isinstance(commands, Unknown) else known(commands.get("journal", {"error": "not asked"}))
    )
    if isinstance(journal, Unknown):
        return journal
    output = str(journal.get("output", ""))
    found: dict[str, list[int]] = {}
    for bus_id, number in re.findall(r"NVRM: Xid \(PCI:([0-9a-fA-F:.]+)\): (\d+)", output):
        full = bus_id.lower() if "." in bus_id else bus_id.lower() + ".0"
        numbers = found.setdefault(full, [])
        if int(number) not in numbers:
            numbers.append(int(number))
    # Status 1 without a word means that nothing matched.
    if not found and journal.get("status") and output.strip():
        return Unknown("journalctl: " + output.strip().split("\n")[0])
    return {bus_id: tuple(numbers) for bus_id, numbers in found.items()}


def _value(values: Mapping[str, Any], name: str) -> Any:
    return known(values.get(name, {"error": "not asked"}))


def _item(values: Mapping[str, Any], name: str, item: str, kind: type) -> Any:
    found = _value(values, name)
    if isinstance(found, Unknown):
        return found
    return (
        found[item]
        if isinstance(found, dict) and isinstance(found.get(item), kind)
        else Unknown(f"no {item}")
    )


def _map(value: Any, meaning: Callable[[Any], Any]) -> Any:
    return value if isinstance(value, Unknown) else meaning(value)


def _watts(milliwatts: Any) -> int | Unknown:
    result: int | Unknown = _map(milliwatts, lambda number: round(number / 1000))
    return result


def _or(value: Any, kind: type, default: Any) -> Any:
    return value if isinstance(value, kind) else default


def _reason(value: Any) -> str:
    found = known(value)
    return found.reason if isinstance(found, Unknown) else str(found)
