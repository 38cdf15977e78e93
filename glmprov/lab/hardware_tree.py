"""Write a node's hardware: what /sys and /proc show, its cards, the programs that act as kernel and firmware.

The folder is bound read-write into the node at /opt/glmlab, where glmlab-hardware.service runs boot. It holds
  profile.json       what the programs in bin/ need to know
  sys/ proc/ dmi/    trees in the kernel's layout
  cards/BUS_ID/facts what the simulated NVML answers
  faults/            what is broken now; kept when the folder is written again
  bin/ boot          the simulated kernel and firmware
"""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from pathlib import Path

from glmprov.lab import pci_tree, processor_tree
from glmprov.lab.processor_tree import write_all
from glmprov.lab.profiles import MIB, Card, Profile, load


def write(profile_name: str, target: Path, owner: str = "") -> None:
    """Fill target with the hardware of a profile. owner names the node: no two nodes have a card in common.

    Raise LabError if there is no such profile.
    """
    profile = load(profile_name, owner)
    for name in ("sys", "proc", "dmi", "cards", "bin", "iommu_groups"):
        shutil.rmtree(target / name, ignore_errors=True)
    for name in ("faults", "requests", "answers"):
        (target / name).mkdir(parents=True, exist_ok=True)
    pci_tree.write(profile, target / "sys")
    processor_tree.write(profile, target / "sys", target / "proc")
    write_all(target / "dmi", _dmi(profile))
    for card in profile.cards:
        write_all(target / "cards" / card.bus_id, {"facts": _facts(profile, card)})
    if not profile.system["virtual"]:
        for group, card in enumerate(profile.cards, start=20):
            (target / f"iommu_groups/{group}/devices/{card.bus_id}").mkdir(parents=True)
    (target / "profile.json").write_text(json.dumps(_description(profile), indent=1) + "\n")
    _write_programs(target / "bin")


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
        "secure_boot": profile.system.get("secure_boot", False),
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
