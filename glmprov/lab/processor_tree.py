"""The processors and memory of a simulated machine, as /sys/devices/system and /proc show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from glmprov.lab.profiles import Profile, cpu_list

GOVERNORS = "conservative ondemand userspace powersave performance schedutil"
_FLAGS = (
    "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 ht "
    "syscall nx lm avx avx2 avx512f"
)


def write(profile: Profile, sys: Path, proc: Path) -> None:
    """Write sys/devices/system/{cpu,node} and proc/{cpuinfo,meminfo} of a profile."""
    _write_cpus(profile, sys / "devices/system/cpu")
    _write_nodes(profile, sys / "devices/system/node")
    write_all(proc, {"cpuinfo": _cpuinfo(profile), "meminfo": _meminfo(profile)})


def write_all(folder: Path, contents: Mapping[str, str], known: dict[str, Path] | None = None) -> None:
    """Write files by name into a folder, which is made.

    known: files by content; what is in it becomes a hard link. 256 processors say little that is new, and the node
    sees the tree through an overlay, which never writes into it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        file = folder / name
        if known is not None and content in known:
            file.hardlink_to(known[content])
            continue
        file.write_text(content)
        if known is not None:
            known[content] = file


def _all_cpus(profile: Profile) -> int:
    cpu = profile.cpu
    return int(cpu["sockets"] * cpu["cores_per_socket"] * cpu["threads_per_core"])


def _online(profile: Profile) -> list[int]:
    return [cpu for cpu in range(_all_cpus(profile)) if cpu not in profile.cpu["offline"]]


def _place(profile: Profile, cpu: int) -> tuple[int, int]:
    """Return socket and core of a CPU: cores of all sockets are counted first, then their second threads."""
    cores = int(profile.cpu["cores_per_socket"])
    return divmod(cpu % (int(profile.cpu["sockets"]) * cores), cores)


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
    write_all(
        folder,
        {
            "online": cpu_list(online) + "\n",
            "offline": cpu_list(profile.cpu["offline"]) + "\n",
            "possible": f"0-{count - 1}\n",
            "present": f"0-{count - 1}\n",
            "kernel_max": "8191\n",
        },
    )
    known: dict[str, Path] = {}
    for cpu in range(count):
        own = folder / f"cpu{cpu}"
        write_all(own, {"online": f"{int(cpu in online)}\n"} if cpu else {}, known)
        if cpu not in online:
            continue
        socket, core = _place(profile, cpu)
        threads, package = siblings[socket, core], packages[socket]
        topology = {"core_id": f"{core}\n", "physical_package_id": f"{socket}\n"}
        for name, cpus in (("thread_siblings", threads), ("core_siblings", package)):
            topology |= {name: _mask(cpus, count), f"{name}_list": cpu_list(cpus) + "\n"}
        write_all(own / "topology", topology, known)
        if "max_khz" in profile.cpu:
            write_all(folder / f"cpufreq/policy{cpu}", _policy(profile, cpu), known)
            (own / "cpufreq").symlink_to(f"../cpufreq/policy{cpu}")


def _policy(profile: Profile, cpu: int) -> dict[str, str]:
    return {
        "scaling_governor": "schedutil\n",
        "scaling_available_governors": GOVERNORS + "\n",
        "scaling_driver": "acpi-cpufreq\n",
        "affected_cpus": f"{cpu}\n",
        "cpuinfo_max_freq": f"{profile.cpu['max_khz']}\n",
        "scaling_cur_freq": "1500000\n",
    }


def _write_nodes(profile: Profile, folder: Path) -> None:
    everyone = cpu_list(range(len(profile.numa))) + "\n"
    write_all(
        folder, dict.fromkeys(("online", "possible", "has_cpu", "has_memory", "has_normal_memory"), everyone)
    )
    for number, node in enumerate(profile.numa):
        kib = node.memory_mib * 1024
        own = folder / f"node{number}"
        lines = {"MemTotal": kib, "MemFree": kib - kib // 250, "MemUsed": kib // 250}
        lines |= {"Active(file)": kib // 1000, "Inactive(file)": kib // 1000, "SReclaimable": kib // 5000}
        write_all(
            own,
            {
                "cpulist": cpu_list(node.cpus) + "\n",
                "cpumap": _mask(node.cpus, _all_cpus(profile)),
                "distance": " ".join(map(str, node.distances)) + "\n",
                "meminfo": "".join(f"Node {number} {k + ':':<15} {v:>10} kB\n" for k, v in lines.items()),
                "numastat": "numa_hit 1\nnuma_miss 0\nnuma_foreign 0\nlocal_node 1\nother_node 0\n",
            },
        )


def _meminfo(profile: Profile) -> str:
    total = sum(node.memory_mib for node in profile.numa) * 1024
    values = {"MemTotal": total, "MemFree": total - total // 100, "MemAvailable": total - total // 200}
    values |= {
        "Buffers": 120_000,
        "Cached": 900_000,
        "SwapCached": 0,
        "SwapTotal": 0,
        "SwapFree": 0,
        "Shmem": 9_000,
    }
    pages = "HugePages_Total:       0\nHugePages_Free:        0\nHugepagesize:       2048 kB\n"
    return "".join(f"{key + ':':<15} {value:>10} kB\n" for key, value in values.items()) + pages


def _cpuinfo(profile: Profile) -> str:
    cpu = profile.cpu
    flags = _FLAGS + (" hypervisor" if profile.system["virtual"] else "")
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
