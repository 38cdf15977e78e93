"""Hosts for tests, from a summary of a few lines as tests/cases/plan/*.yml write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glmprov.hardware import Cpu, Gpu, Hardware, NumaNode, PciCard, System
from glmprov.observation import Observation
from glmprov.receipt import Receipt
from glmprov.state import (
    ContainerEngine,
    GpuDriver,
    GpuPower,
    HostState,
    HostTuning,
    Later,
    NcclEnv,
    Setting,
    Unit,
    Unknown,
)

EDITIONS = {
    "server": ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "0x2bb5", (300, 600, 600)),
    "workstation": ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "0x2bb1", (150, 600, 600)),
    "max-q": ("NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", "0x2bb4", (250, 300, 325)),
    "h200": ("NVIDIA H200", "0x2335", (200, 700, 700)),
}
"""NVML name, PCI device id, and minimum, default and maximum watts."""


DRIVER_FACTS = (
    "next_kernel",
    "next_kernel_module",
    "next_kernel_configured",
    "cdi_specs",
    "signing_key_enrolled",
    "previous_version",
    "previous_origin",
    "rolled_back_from",
    "rolled_back_from_origin",
)
"""Fields of gpu_driver that a summary gives as they are."""


def uuid(number: int) -> str:
    return f"GPU-00000000-0000-4000-8000-{number:012d}"


def observation(summary: Mapping[str, Any]) -> Observation:
    """Given a summary, return the observation.

    Keys: cards, nodes, sockets, virtualization, driver, state, …
    """
    hardware = _hardware(summary)
    state = _state(summary, hardware)
    return Observation("gpu-1", "2026-11-22T20:00:00Z", hardware, state, _receipt(summary))


def _hardware(summary: Mapping[str, Any]) -> Hardware:
    cards = [{"edition": "server", "node": 0, **card} for card in summary.get("cards", [])]
    pci = tuple(
        PciCard(
            bus_id=card.get("bus_id", f"0000:{number + 1:02x}:00.0"),
            device_id=EDITIONS[card["edition"]][1],
            numa_node=card["node"],
            bridges=tuple(card.get("bridges", (f"0000:00:{number + 1:02x}.1",))),
            root=card.get("root", f"pci0000:{number:02x}"),
            driver=card.get("bound", "nvidia" if summary.get("driver") else None),
        )
        for number, card in enumerate(cards)
    )
    gpus = tuple(
        _gpu(number, card) for number, card in enumerate(cards) if not (card.get("lost") or card.get("bound"))
    )
    nodes = summary.get("nodes", 2)
    return Hardware(
        system=System(
            hostname="gpu-1",
            distribution=summary.get("distribution", "debian"),
            release=summary.get("release", "12"),
            codename="",
            kernel="6.1.0-41-amd64",
            architecture="x86_64",
            boot_id="b",
            virtualization=summary.get("virtualization"),
            secure_boot=summary.get("secure_boot", False),
        ),
        cpu=Cpu("EPYC", summary.get("sockets", 2), nodes * 8),
        numa_nodes=tuple(
            NumaNode(n, tuple(range(n * 8, n * 8 + 8)), 1 << 36, _distances(n, nodes, summary))
            for n in range(nodes)
        ),
        cards=pci,
        gpus=gpus if summary.get("driver") else Unknown("no driver"),
        links={(uuid(a), uuid(b)): link for a, b, link in summary.get("links", [])},
        p2p={(uuid(a), uuid(b)): status for a, b, status in summary.get("p2p", [])},
        virtual_machines=tuple(summary.get("virtual_machines", ())),
    )


def _distances(node: int, nodes: int, summary: Mapping[str, Any]) -> dict[int, int]:
    per_socket = max(nodes // summary.get("sockets", 2), 1)
    near = summary.get("near", 12)
    socket = node // per_socket
    return {o: 10 if o == node else near if o // per_socket == socket else 32 for o in range(nodes)}


def _gpu(number: int, card: Mapping[str, Any]) -> Gpu:
    name, _, (lowest, default, highest) = EDITIONS[card["edition"]]
    return Gpu(
        uuid=uuid(number),
        index=number,
        minor=number,
        name=name,
        bus_id="0000" + card.get("bus_id", f"0000:{number + 1:02x}:00.0").upper(),
        memory_bytes=97887 << 20,
        bar1_bytes=card.get("bar1_mib", 131072) << 20,
        power_limit_watts=card.get("limit", default),
        enforced_limit_watts=card.get("enforced", card.get("limit", default)),
        default_limit_watts=default,
        min_limit_watts=lowest,
        max_limit_watts=highest,
        persistence_mode=True,
        compute_capability=(12, 0),
        vbios="98.02.67.00.0A",
    )


def _state(summary: Mapping[str, Any], hardware: Hardware) -> HostState:
    declared, loaded = summary.get("driver"), summary.get("loaded", summary.get("driver"))
    if summary.get("unowned"):
        declared = None
    bridges = {b for card in hardware.cards for b in card.bridges}
    ours = summary.get("ours", {})
    said = {**summary.get("kernel_arguments", {}), **ours.get("kernel_arguments", {})}
    arguments = {name: Setting(value, value) for name, value in said.items()}
    arguments |= {name: Setting(None, value) for name, value in summary.get("until_reboot", {}).items()}
    return HostState(
        gpu_driver=GpuDriver(
            origin=summary.get("packaged_by", "nvidia" if declared else None),
            branch=(declared or loaded or "").partition(".")[0] or None,
            version=Setting(declared, loaded),
            open_modules=summary.get("open", True) if loaded else None,
            held={"nvidia-driver-cuda": False} if declared else {},
            pinned=False,
            persistence_daemon=Unit(bool(declared), bool(declared)),
            cards=dict.fromkeys((g.uuid for g in hardware.gpus), True)
            if isinstance(hardware.gpus, tuple)
            else None,
            **{name: summary[name] for name in DRIVER_FACTS if name in summary},
        ),
        container_engine=ContainerEngine(
            package=summary.get("engine"),
            daemon=summary.get("daemon", {}),
            others=summary.get("other_engines", {}),
        ),
        gpu_power=GpuPower(limit_watts={}),
        host_tuning=HostTuning(
            kernel_arguments=arguments,
            module_options={n: Setting(*sides) for n, sides in summary.get("module_options", {}).items()},
            sysctl={key: Setting(None, value) for key, value in summary.get("sysctl", {}).items()},
            cpu_governor=Setting(None, summary.get("governor", "schedutil")),
            acs_disabled={b: Setting(None, summary.get("acs", {}).get(b, False)) for b in bridges},
            limits={},
            ours={"kernel_arguments": {}, **ours} if summary.get("grub", True) else ours,
        ),
        nccl_env=NcclEnv(env=None, elsewhere=summary.get("elsewhere", {})),
    )


def _receipt(summary: Mapping[str, Any]) -> Receipt | None:
    applied = summary.get("applied")
    if applied is None:
        return None
    version = applied.get("version")
    expected = HostState(
        gpu_driver=GpuDriver(
            source=applied.get("source", "nvidia"),
            branch=version.partition(".")[0] if version else applied.get("branch"),
            version=Setting(version, version) if version else Later("the newest"),
        ),
        container_engine=ContainerEngine(
            daemon=applied.get("daemon", {}),
            asked_options=None if (asked := applied.get("asked_options")) is None else tuple(asked),
        ),
        gpu_power=GpuPower(
            limit_watts={uuid(n): Setting(w, w) for n, w in applied.get("limit_watts", {}).items()}
        ),
        host_tuning=HostTuning(
            kernel_arguments={n: Setting(v, v) for n, v in applied.get("kernel_arguments", {}).items()},
            acs_disabled={bridge: Setting(True, True) for bridge in applied.get("acs_disabled", ())},
        ),
    )
    cards = tuple(map(uuid, applied.get("cards", ())))
    more = {name: applied.get(name, {}) for name in ("before", "settings")}
    return Receipt("2026-11-22T19:00:00Z", "op", "desk", "0.1.0", expected, cards, **more)
