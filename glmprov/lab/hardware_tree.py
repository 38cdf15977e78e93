"""Write a node's hardware: what it shows in /sys and /proc, its cards, and the programs that act as kernel and firmware.

The folder is bound read-write into the node at /opt/glmlab, where the image's glmlab-hardware.service runs boot. It holds
  profile.json       what the programs in bin/ need to know
  sys/ proc/ dmi/    trees in the kernel's layout
  cards/BUS_ID/facts what the simulated NVML answers
  faults/            what is broken now; kept when the folder is written again
  bin/ boot          the simulated kernel and firmware
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from glmprov.lab import pci_tree
from glmprov.lab.profiles import MIB, Card, Profile, cpu_list, load

GOVERNORS = "conservative ondemand userspace powersave performance schedutil"


def write(profile_name: str, target: Path, owner: str = "") -> None:
    """Fill target with the hardware of a profile. owner names the node, so that no two nodes have a card in common.

    Raise LabError if there is no such profile.
    """
    profile = load(profile_name, owner)
    for name in ("sys", "proc", "dmi", "cards", "bin", "iommu_groups"):
        shutil.rmtree(target / name, ignore_errors=True)
    for name in ("faults", "requests", "answers"):
        (target / name).mkdir(parents=True, exist_ok=True)
    pci_tree.write(profile, target / "sys")
    _write_cpus(profile, target / "sys/devices/system/cpu")
    _write_nodes(profile, target / "sys/devices/system/node")
    _write_all(target / "proc", {"cpuinfo": _cpuinfo(profile), "meminfo": _meminfo(profile)})
    _write_all(target / "dmi", _dmi(profile))
    for card in profile.cards:
        _write_all(target / "cards" / card.bus_id, {"facts": _facts(profile, card)})
    if not profile.system["virtual"]:
        for group, card in enumerate(profile.cards, start=20):
            (target / f"iommu_groups/{group}/devices/{card.bus_id}").mkdir(parents=True)
    (target / "profile.json").write_text(json.dumps(_description(profile), indent=1) + "\n")
    _write_programs(target / "bin")


def _write_all(folder: Path, contents: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_text(content)


def _write_programs(folder: Path) -> None:
    folder.mkdir(parents=True)
    for source in (files("glmprov.lab") / "sim/node").iterdir():
        if source.is_file():
            program = folder / source.name
            program.write_text(source.read_text())
            program.chmod(0o755)
    start = folder.parent / "boot"
    start.write_text("#!/bin/sh\nexec /opt/glmlab/bin/boot\n")
    start.chmod(0o755)


def _description(profile: Profile) -> dict[str, object]:
    return {
        "name": profile.name,
        "summary": profile.summary,
        "virtual": profile.system["virtual"],
        "cards": [
            {
                "bus_id": card.bus_id,
                "uuid": card.uuid,
                "name": card.edition.name,
                "minor": card.minor,
                "vbios": card.edition.vbios,
                "open_modules_only": card.edition.open_modules_only,
            }
            for card in profile.cards
        ],
    }


def _facts(profile: Profile, card: Card) -> str:
    least, default, most = card.edition.limits_watts
    node = profile.numa[card.node]
    facts: dict[str, object] = {
        "name": card.edition.name,
        "uuid": card.uuid,
        "serial": card.serial,
        "minor": card.minor,
        "vbios": card.edition.vbios,
        "pci_device_id": (card.edition.pci_id & 0xFFFF) << 16 | card.edition.pci_id >> 16,
        "pci_subsystem_id": (card.edition.pci_subsystem & 0xFFFF) << 16 | card.edition.pci_subsystem >> 16,
        "min_limit_mw": least * 1000,
        "default_limit_mw": default * 1000,
        "max_limit_mw": most * 1000,
        "bar1_bytes": card.edition.bar1_bytes,
        "max_link_generation": 5,
        "max_link_width": 16,
        "link_width": 16,
        "ecc": 1,
        "mig": 0,
        "addressing_mode": 0,
        "chain": ",".join(card.path),
        "cpu_affinity": node.nvml_cpus,
        "memory_affinity": card.node,
    }
    for key, value in card.edition.facts.items():
        if key.endswith("_mib") and isinstance(value, int):
            facts[key.removesuffix("_mib") + "_bytes"] = value * MIB
        else:
            facts[key.replace("_milliwatts", "_mw")] = value
    return "".join(f"{key}={value}\n" for key, value in facts.items())


def _all_cpus(profile: Profile) -> int:
    cpu = profile.cpu
    return int(cpu["sockets"] * cpu["cores_per_socket"] * cpu["threads_per_core"])


def _online(profile: Profile) -> list[int]:
    return [cpu for cpu in range(_all_cpus(profile)) if cpu not in profile.cpu["offline"]]


def _place(profile: Profile, cpu: int) -> tuple[int, int]:
    """Return socket and core of a CPU: cores of all sockets are counted first, then their second threads."""
    core = cpu % (profile.cpu["sockets"] * profile.cpu["cores_per_socket"])
    return divmod(core, profile.cpu["cores_per_socket"])


def _mask(cpus: Sequence[int], count: int) -> str:
    value = sum(1 << cpu for cpu in cpus)
    words = [f"{value >> 32 * word & 0xFFFFFFFF:08x}" for word in range((count + 31) // 32)]
    return ",".join(reversed(words)) + "\n"


def _write_cpus(profile: Profile, folder: Path) -> None:
    count, online = _all_cpus(profile), _online(profile)
    siblings: dict[tuple[int, int], list[int]] = {}
    packages: dict[int, list[int]] = {}
    for cpu in online:
        siblings.setdefault(_place(profile, cpu), []).append(cpu)
        packages.setdefault(_place(profile, cpu)[0], []).append(cpu)
    _write_all(
        folder,
        {
            "online": cpu_list(online) + "\n",
            "offline": cpu_list(profile.cpu["offline"]) + "\n",
            "possible": f"0-{count - 1}\n",
            "present": f"0-{count - 1}\n",
            "kernel_max": "8191\n",
        },
    )
    for cpu in range(count):
        own = folder / f"cpu{cpu}"
        _write_all(own, {"online": f"{int(cpu in online)}\n"} if cpu else {})
        if cpu not in online:
            continue
        socket, core = _place(profile, cpu)
        threads, package = siblings[socket, core], packages[socket]
        shared = {"thread_siblings": threads, "core_cpus": threads, "core_siblings": package, "package_cpus": package}
        topology = {"core_id": f"{core}\n", "physical_package_id": f"{socket}\n"}
        for name, cpus in shared.items():
            topology |= {name: _mask(cpus, count), f"{name}_list": cpu_list(cpus) + "\n"}
        _write_all(own / "topology", topology)
        if "max_khz" in profile.cpu:
            _write_all(folder / f"cpufreq/policy{cpu}", _policy(profile, cpu))
            (own / "cpufreq").symlink_to(f"../cpufreq/policy{cpu}")


def _policy(profile: Profile, cpu: int) -> dict[str, str]:
    return {
        "scaling_governor": "schedutil\n",
        "scaling_available_governors": GOVERNORS + "\n",
        "scaling_driver": "acpi-cpufreq\n",
        "affected_cpus": f"{cpu}\n",
        "related_cpus": f"{cpu}\n",
        "cpuinfo_max_freq": f"{profile.cpu['max_khz']}\n",
        "scaling_cur_freq": "1500000\n",
        "scaling_max_freq": f"{profile.cpu['max_khz']}\n",
        "scaling_min_freq": "1500000\n",
    }


def _write_nodes(profile: Profile, folder: Path) -> None:
    everyone = cpu_list(range(len(profile.numa))) + "\n"
    _write_all(folder, {n: everyone for n in ("online", "possible", "has_cpu", "has_memory", "has_normal_memory")})
    for number, node in enumerate(profile.numa):
        kib = node.memory_mib * 1024
        own = folder / f"node{number}"
        lines = {"MemTotal": kib, "MemFree": kib - kib // 250, "MemUsed": kib // 250}
        _write_all(
            own,
            {
                "cpulist": cpu_list(node.cpus) + "\n",
                "cpumap": _mask(node.cpus, _all_cpus(profile)),
                "distance": " ".join(map(str, node.distances)) + "\n",
                "meminfo": "".join(f"Node {number} {k + ':':<15} {v:>10} kB\n" for k, v in lines.items()),
                "numastat": "numa_hit 1\nnuma_miss 0\nnuma_foreign 0\ninterleave_hit 0\nlocal_node 1\nother_node 0\n",
            },
        )
        for cpu in node.cpus:
            (own / f"cpu{cpu}").symlink_to(f"../../cpu/cpu{cpu}")


def _meminfo(profile: Profile) -> str:
    total = sum(node.memory_mib for node in profile.numa) * 1024
    values = {"MemTotal": total, "MemFree": total - total // 100, "MemAvailable": total - total // 200}
    values |= {"Buffers": 120_000, "Cached": 900_000, "SwapCached": 0, "SwapTotal": 0, "SwapFree": 0, "Shmem": 9_000}
    pages = "HugePages_Total:       0\nHugePages_Free:        0\nHugepagesize:       2048 kB\n"
    return "".join(f"{key + ':':<15} {value:>10} kB\n" for key, value in values.items()) + pages


def _cpuinfo(profile: Profile) -> str:
    cpu = profile.cpu
    flags = "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 ht syscall nx lm"
    flags += " avx avx2 avx512f" + (" hypervisor" if profile.system["virtual"] else "")
    blocks = []
    for number in _online(profile):
        socket, core = _place(profile, number)
        blocks.append(
            f"processor\t: {number}\nvendor_id\t: {cpu['vendor']}\ncpu family\t: {cpu['family']}\n"
            f"model\t\t: {cpu['model']}\nmodel name\t: {cpu['model_name']}\nstepping\t: {cpu['stepping']}\n"
            f"cpu MHz\t\t: {cpu['mhz']}.000\nphysical id\t: {socket}\n"
            f"siblings\t: {cpu['cores_per_socket'] * cpu['threads_per_core']}\ncore id\t\t: {core}\n"
            f"cpu cores\t: {cpu['cores_per_socket']}\nflags\t\t: {flags}\n\n"
        )
    return "".join(blocks)


def _dmi(profile: Profile) -> dict[str, str]:
    system = profile.system
    values = {
        "sys_vendor": system["vendor"],
        "product_name": system["product"],
        "product_serial": "GLMPROV-SIMULATED",
        "board_vendor": system["vendor"],
        "board_name": system["board"],
        "bios_vendor": "GLMPROV SIMULATED",
        "bios_version": system["bios_version"],
        "bios_date": system["bios_date"],
        "chassis_type": "1" if system["virtual"] else "23",
    }
    return {key: f"{value}\n" for key, value in values.items()}
