"""A capture of a real machine → the answer that the payload would have given there.

Two kinds of captures: the texts of tools (nvidia-smi -q, topo -m, lspci -vvv, lscpu, numactl), and values
as nvidia-ml-py returned them together with raw files. What a capture lacks is an error in the answer, as it
would be on a host where it cannot be read.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from glmprov.probe.parse_nvml import TOPOLOGY
from glmprov.probe.wanted import CPUINFO, IOMMU_GROUPS

LEVELS = {name: level for level, name in TOPOLOGY.items()}
MISSING = {"error": "the capture doesn't hold it"}
MIB = 1 << 20
NODE = "/sys/devices/system/node/node"
CPU = "/sys/devices/system/cpu/"


def answer_of(folder: Path) -> dict[str, Any]:
    """Given a capture's folder, return the payload's answer for that machine."""
    answer = _from_values(folder) if (folder / "nvml.json").exists() else _from_tools(folder)
    return {
        "version": 1,
        "python": [3, 12, 3],
        "uid": 0,
        "time": 0,
        "hung": [],
        "nvml_library": True,
    } | answer


# nvidia-smi -q, lspci and friends.


def _from_tools(folder: Path) -> dict[str, Any]:
    def text(name: str) -> str:
        return re.sub("\x1b\\[[0-9;]*m", "", (folder / name).read_text(errors="replace"))

    lscpu = dict(re.findall(r"^(.+?):\s+(.*)$", text("lscpu.log"), re.MULTILINE))
    smi, devices = text("nvidia_smi_full.log"), _devices(text("lspci_full.log"))
    cards = [
        _card(bus_id, devices)
        for bus_id, block in devices.items()
        if "NVIDIA Corporation" in block.split("\n")[0]
    ]
    kernel = re.search(r"BOOT_IMAGE=\S*vmlinuz-(\S+)", text("cmdline.log"))
    dmi = text("dmidecode.log")
    gpus = [_gpu(index, values) for index, values in enumerate(_smi_cards(smi))]
    version = re.search(r"NVRM: loading (NVIDIA UNIX .*?)\s*$", text("dmesg.log"), re.MULTILINE)
    files = _cpu_files(lscpu) | _numa_files(text("numa.log"), lscpu)
    files["/proc/cmdline"] = text("cmdline.log")
    files["/proc/driver/nvidia/version"] = f"NVRM version: {version[1]}\n" if version else None
    files["/sys/class/dmi/id/product_name"] = _dmi(dmi, "Product Name")
    bridges = {part for card in cards for part in card["path"].split("/")[:-1] if part.count(":") == 2}
    return {
        "driver_loaded": True,
        "uname": ["Linux", "", kernel[1] if kernel else "", "", lscpu["Architecture"]],
        "files": files,
        "heads": {CPUINFO: f"model name\t: {lscpu['Model name']}\nflags\t\t: {lscpu['Flags']}\n"},
        "tallies": {},
        "homes": {},
        "sockets": [str(socket) for socket in range(int(lscpu["Socket(s)"]))],
        "folders": {IOMMU_GROUPS: [], "/sys/firmware/efi": ["efivars"]},
        "hex": {"/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c": "0600000000"}
        if "secureboot: Secure boot disabled" in text("dmesg.log")
        else {},
        "pci": cards,
        "acs": {bridge: _acs(devices[bridge]) for bridge in sorted(bridges)},
        "commands": {
            "journal": {"status": 0, "output": "\n".join(re.findall("NVRM: Xid.*", text("dmesg.log")))},
            "systemctl": MISSING,
        },
        "packages": MISSING,
        "nvml": {"count": len(gpus), "gpus": gpus, "pairs": _topo_pairs(text("nvidia_topo.log"))},
        "processes": {},
    }


def _cpu_files(lscpu: dict[str, str]) -> dict[str, str]:
    total = int(lscpu["CPU(s)"])
    return {
        CPU + "online": lscpu["On-line CPU(s) list"] + "\n",
        CPU + "offline": lscpu.get("Off-line CPU(s) list", "") + "\n",
        CPU + "present": f"0-{total - 1}\n",
    }


def _numa_files(numa: str, lscpu: dict[str, str]) -> dict[str, str]:
    files = {}
    for number, cpus in _node_lists(lscpu):
        size = re.search(rf"^node {number} size: (\d+) MB", numa, re.MULTILINE)
        row = re.search(rf"^\s+{number}:\s+([\d ]+)$", numa, re.MULTILINE)
        files[f"{NODE}{number}/cpulist"] = cpus + "\n"
        files[f"{NODE}{number}/distance"] = (row[1] if row else "10").strip() + "\n"
        files[f"{NODE}{number}/meminfo"] = (
            f"Node {number} MemTotal: {int(size[1]) * 1024 if size else 0} kB\n"
        )
    total = re.findall(r"size: (\d+) MB", numa)
    files["/proc/meminfo"] = f"MemTotal: {sum(map(int, total)) * 1024} kB\n"
    return files


def _node_lists(lscpu: dict[str, str]) -> list[tuple[str, str]]:
    return [
        (key[len("NUMA node") : -len(" CPU(s)")], cpus)
        for key, cpus in lscpu.items()
        if re.match(r"NUMA node\d", key)
    ]


def _dmi(dmidecode: str, field: str) -> str | None:
    system = re.search(r"^System Information\n((?:\t.*\n)+)", dmidecode, re.MULTILINE)
    found = re.search(rf"\t{field}: (.*)", system[1]) if system else None
    return found[1].strip() + "\n" if found else None


def _devices(lspci: str) -> dict[str, str]:
    """Return lspci's block of each device by bus id with its domain."""
    blocks = re.split(r"\n(?=(?:[0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f] )", "\n" + lspci)
    named = ((block.split(" ", 1)[0].strip(), block.lstrip("\n")) for block in blocks if block.strip())
    return {bus_id if bus_id.count(":") == 2 else "0000:" + bus_id: block for bus_id, block in named}


def _card(bus_id: str, devices: dict[str, str]) -> dict[str, Any]:
    block = devices[bus_id]

    def one(pattern: str) -> str:
        found = re.search(pattern, block, re.MULTILINE)
        return found[1] if found else ""

    return {
        "bus_id": bus_id,
        "path": "../../.." + "/".join(["/devices", *_path(bus_id, devices)]),
        "driver": "../../../../bus/pci/drivers/" + one(r"Kernel driver in use: (\S+)"),
        "device": "0x" + one(r"NVIDIA Corporation Device (\w+)") + "\n",
        "numa_node": (one(r"NUMA node: (\d+)") or "-1") + "\n",
        "current_link_speed": _speed(one(r"LnkSta:\tSpeed ([\d.]+)GT/s")),
        "current_link_width": one(r"LnkSta:\tSpeed .*?Width x(\d+)") + "\n",
        "max_link_speed": _speed(one(r"LnkCap:.*?Speed ([\d.]+)GT/s")),
        "max_link_width": one(r"LnkCap:.*?Width x(\d+)") + "\n",
    }


def _speed(transfers: str) -> str:
    return f"{float(transfers):.1f} GT/s PCIe\n" if transfers else "Unknown\n"


def _path(bus_id: str, devices: dict[str, str]) -> list[str]:
    """Return the sysfs path of a device from its root down, by the buses that the bridges lead to."""
    domain, bus, _ = bus_id.split(":")
    for above, block in devices.items():
        if above.startswith(domain) and re.search(rf"Bus: primary=\w+, secondary={bus},", block):
            return [*_path(above, devices), bus_id]
    return [f"pci{domain}:{bus}", bus_id]


def _acs(block: str) -> dict[str, int] | None:
    found = re.search(r"Capabilities: \[(\w+) v1\] Access Control Services\n.*\n\s+ACSCtl:\s+(.*)", block)
    if not found:
        return None
    flags = ("SrcValid", "TransBlk", "ReqRedir", "CmpltRedir", "UpstreamFwd", "EgressCtrl", "DirectTrans")
    control = sum(1 << bit for bit, flag in enumerate(flags) if flag + "+" in found[2])
    return {"offset": int(found[1], 16), "capability": 0, "control": control}


def _smi_cards(smi: str) -> list[dict[str, Any]]:
    """Return the cards of `nvidia-smi -q`, nested as its lines are indented."""
    cards = []
    for block in re.split(r"\n(?=GPU [0-9A-F]{8}:)", smi)[1:]:
        tree: dict[str, Any] = {}
        stack = [(0, tree)]
        for line in block.split("\n")[1:]:
            name, colon, value = (part.strip() for part in line.partition(" : "))
            depth = len(line) - len(line.lstrip())
            while len(stack) > 1 and depth <= stack[-1][0]:
                stack.pop()
            if colon:
                stack[-1][1][name] = value
            elif name:
                stack.append((depth, stack[-1][1].setdefault(name, {})))
        cards.append(tree)
    return cards


def _gpu(index: int, smi: dict[str, Any]) -> dict[str, Any]:
    power, link = smi["GPU Power Readings"], smi["PCI"]["GPU Link Info"]
    return {
        "Index": index,
        "Name": smi["Product Name"],
        "UUID": smi["GPU UUID"],
        "Serial": MISSING,
        "MinorNumber": int(smi["Minor Number"]),
        "PciInfo": {"busId": smi["PCI"]["Bus Id"]},
        "MemoryInfo": {
            "total": _mib(smi["FB Memory Usage"]["Total"]),
            "used": _mib(smi["FB Memory Usage"]["Used"]),
        },
        "BAR1MemoryInfo": {"bar1Total": _mib(smi["BAR1 Memory Usage"]["Total"])},
        # NVML's limit is the requested one, its enforced limit is what `-q` calls current.
        "PowerManagementLimit": _milliwatts(power["Requested Power Limit"]),
        "EnforcedPowerLimit": _milliwatts(power["Current Power Limit"]),
        "PowerManagementDefaultLimit": _milliwatts(power["Default Power Limit"]),
        "PowerManagementLimitConstraints": [
            _milliwatts(power["Min Power Limit"]),
            _milliwatts(power["Max Power Limit"]),
        ],
        "PowerUsage": _milliwatts(power["Instantaneous Power Draw"]),
        "PersistenceMode": int(smi["Persistence Mode"] == "Enabled"),
        "CudaComputeCapability": MISSING,
        "VbiosVersion": smi["VBIOS Version"],
        "Temperature": int(smi["Temperature"]["GPU Current Temp"].split()[0]),
        "EccMode": [int(smi["ECC Mode"][when] == "Enabled") for when in ("Current", "Pending")],
        "MigMode": [int(smi["MIG Mode"][when] == "Enabled") for when in ("Current", "Pending")],
        "CurrPcieLinkGeneration": int(link["PCIe Generation"]["Current"]),
        "MaxPcieLinkGeneration": int(link["PCIe Generation"]["Max"]),
        "CurrPcieLinkWidth": int(link["Link Width"]["Current"].rstrip("x")),
        "MaxPcieLinkWidth": int(link["Link Width"]["Max"].rstrip("x")),
        "ComputeProcesses": [],
        "GraphicsProcesses": [],
    }


def _mib(text: str) -> int:
    return int(text.split()[0]) * MIB


def _milliwatts(text: str) -> int:
    return round(float(text.split()[0]) * 1000)


def _topo_pairs(topo: str) -> list[list[Any]]:
    rows = [line.split() for line in topo.split("\n") if re.match(r"GPU\d+\s", line)]
    return [
        [one, other, LEVELS[rows[one][1 + other]], MISSING]
        for one in range(len(rows))
        for other in range(one + 1, len(rows))
    ]


# Values as nvidia-ml-py returned them, and raw files.


def _from_values(folder: Path) -> dict[str, Any]:
    facts = _sections((folder / "facts.txt").read_text(), "## ")
    pci = (folder / "pci.txt").read_text()
    lscpu = dict(re.findall(r"^(.+?):\s+(.*)$", facts["lscpu"], re.MULTILINE))
    uname = facts["uname"].split()
    raw = _sections(pci.split("## proc driver")[1].split("## modules")[0], "--- ")
    driver = {path: text for path, text in raw.items() if path.startswith("/proc/driver/nvidia")}
    parameters = dict(re.findall(r"^(/sys/module/\S+?)=(.*)$", pci, re.MULTILINE))
    return {
        "driver_loaded": True,
        "uname": ["Linux", uname[1], uname[2], "", uname[-2]],
        "files": {
            "/etc/os-release": facts["os-release"],
            "/proc/cmdline": facts["cmdline"],
            "/proc/meminfo": facts["meminfo"],
            "/proc/driver/nvidia/version": driver.pop("/proc/driver/nvidia/version"),
            f"{NODE}0/cpulist": re.findall(r"cpulist=(\S+)", facts["numa"])[0] + "\n",
            f"{NODE}0/distance": re.findall(r"distance=(\S+)", facts["numa"])[0] + "\n",
            f"{NODE}0/meminfo": "Node 0 " + facts["meminfo"],
        }
        | _cpu_files(lscpu),
        "heads": {CPUINFO: f"model name\t: {lscpu['Model name']}\nflags\t\t: {lscpu['Flags']}\n"},
        "tallies": {},
        "homes": {},
        "sockets": [str(socket) for socket in range(int(lscpu["Socket(s)"]))],
        "folders": {IOMMU_GROUPS: None, "/sys/firmware/efi": None},
        "pci": _pci_lines(pci),
        "acs": {},
        "driver_files": driver | parameters,
        "commands": {"journal": MISSING, "systemctl": {"error": "systemctl: No such file or directory"}},
        "packages": MISSING,
        "docker": {"error": "dockerd is not running"},
        "nvml": _nvml(folder),
        "processes": {},
    }


def _sections(text: str, mark: str) -> dict[str, str]:
    parts = re.split(rf"^{mark}(.*)$", text, flags=re.MULTILINE)
    return {name.strip(): body.lstrip("\n") for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def _pci_lines(pci: str) -> list[dict[str, Any]]:
    cards = []
    for line in pci.split("\n"):
        bus_id, _, rest = line.partition(" ")
        values = dict(re.findall(r"(\w+)=((?:[^=](?! \w+=))*[^= ]?)", rest))
        if values.get("vendor") == "0x10de" and values["class"].startswith("0x03"):
            cards.append(
                {
                    "bus_id": bus_id,
                    "path": f"../../../devices/pci{bus_id[:7]}/{bus_id}",
                    "driver": "../../../bus/pci/drivers/nvidia",
                    "device": values["device"] + "\n",
                    "numa_node": values["numa"] + "\n",
                    "current_link_speed": values["speed"] + "\n",
                    "current_link_width": values["width"] + "\n",
                    "max_link_speed": values["maxspeed"] + "\n",
                    "max_link_width": values["maxwidth"] + "\n",
                }
            )
    return cards


def _nvml(folder: Path) -> dict[str, Any]:
    captured = json.loads((folder / "nvml.json").read_text())
    log = ElementTree.parse(folder / "smi-q.xml")
    bar1 = {
        str(gpu.findtext("uuid")): _mib(str(gpu.findtext("bar1_memory_usage/total")))
        for gpu in log.iter("gpu")
    }
    gpus = [
        gpu | {"Index": index, "BAR1MemoryInfo": {"bar1Total": bar1[gpu["UUID"]]}, "ComputeProcesses": []}
        for index, gpu in enumerate(captured["gpus"])
    ]
    count = range(captured["count"])
    return {
        "driver": captured["driver"],
        "library": captured["nvml"],
        "count": captured["count"],
        "gpus": gpus,
        "pairs": [[a, b, gpus[a]["topo"][b], gpus[a]["p2p_read"][b]] for a in count for b in count if a < b],
    }
