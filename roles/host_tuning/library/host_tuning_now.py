#!/usr/bin/python
"""Bring the running system to what the files say for the next boot: sysctl, CPU governor, PCIe ACS."""

from __future__ import annotations

import glob
import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.glmprov_host import difference

DOCUMENTATION = r"""
module: host_tuning_now
short_description: Bring sysctl, CPU governor and PCIe ACS of the running system to the wanted values
description:
  - Looks at the running system and not at files, in check mode too.
  - Sets our sysctl keys alone, and runs the boot unit for governor and ACS. Looks again, and fails naming
    what is still different.
options:
  sysctl:
    description: Values by key.
    type: dict
    default: {}
  governor:
    description: The CPU governor; empty leaves it alone.
    type: str
    default: ""
  acs_off:
    description: Bus ids of the bridges on which ACS is to be off.
    type: list
    elements: str
    default: []
  unit:
    description: The boot unit that sets governor and ACS.
    type: str
    required: true
author: glmprov
"""

EXAMPLES = r"""
- name: Tune the running system
  host_tuning_now:
    sysctl: {vm.swappiness: 0}
    governor: performance
    unit: glmprov-host-tuning.service
"""

GOVERNORS = "/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor"
DEVICES = "/sys/bus/pci/devices"
ACS = 0x000D
"""Extended capability of Access Control Services; control is 6 bytes in (PCIe base specification, 7.7.11)."""


def sysctl_path(key):
    """Return the file of a sysctl key: dots part it, slashes stand for dots inside a part (sysctl(8))."""
    return "/proc/sys/" + key.translate(str.maketrans("./", "/."))


def acs_control(config):
    """Given a device's configuration space, return its ACS control register, None if it has no ACS."""
    at = 0x100
    while at and at + 8 <= len(config):
        header = int.from_bytes(config[at : at + 4], "little")
        if header in (0, 0xFFFFFFFF):
            return None
        if header & 0xFFFF == ACS:
            return int.from_bytes(config[at + 6 : at + 8], "little")
        following = header >> 20
        at = following if following > at else 0
    return None


class System:
    """The running system against what is wanted of it."""

    def __init__(self, module):
        self.module = module
        self.sysctl = {
            key: " ".join(str(value).split()) for key, value in (module.params["sysctl"] or {}).items()
        }
        self.governor = module.params["governor"]
        self.bridges = module.params["acs_off"]

    def sysctl_differences(self):
        """Return {key: present value} of what differs."""
        found = {}
        for key, wanted in self.sysctl.items():
            try:
                with open(sysctl_path(key), encoding="utf-8") as file:
                    present = " ".join(file.read().split())
            except FileNotFoundError:
                self.module.fail_json(
                    msg=f"this kernel has no sysctl {key}: take it out of host_tuning_sysctl"
                )
            if present != wanted:
                found[key] = present
        return found

    def governor_differences(self):
        """Return the governors other than the wanted one, by CPU. Virtual machines have none."""
        found = {}
        for path in glob.glob(GOVERNORS) if self.governor else []:
            with open(path, encoding="utf-8") as file:
                present = file.read().strip()
            if present != self.governor:
                found[path.split("/")[-3]] = present
        return found

    def acs_differences(self):
        """Return the control register of the bridges whose ACS is on. Without the capability it is off."""
        found = {}
        for bridge in self.bridges:
            path = os.path.join(DEVICES, bridge, "config")
            if not os.path.exists(path):
                self.module.fail_json(
                    msg=f"{bridge}: no such PCI device; bus ids move when cards do, look again"
                )
            with open(path, "rb") as file:
                control = acs_control(file.read(4096))
            if control:
                found[bridge] = control
        return found

    def unit_differences(self):
        """Return a line (present, wanted) for all that the boot unit sets."""
        governors = self.governor_differences()
        lines = [
            (f"governor {value} on {names}\n", f"governor {self.governor}\n")
            for value, names in grouped(governors)
        ]
        lines += [
            (f"{bridge} ACS {value:#06x}\n", f"{bridge} ACS off\n")
            for bridge, value in self.acs_differences().items()
        ]
        return lines


def grouped(governors):
    """Yield (governor, "3 CPUs") of {cpu: governor}."""
    for value in sorted(set(governors.values())):
        yield value, f"{sum(1 for present in governors.values() if present == value)} CPUs"


def main():
    module = AnsibleModule(
        argument_spec={
            "sysctl": {"type": "dict", "default": {}},
            "governor": {"type": "str", "default": ""},
            "acs_off": {"type": "list", "elements": "str", "default": []},
            "unit": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    system = System(module)
    keys, rest = system.sysctl_differences(), system.unit_differences()
    lines = [
        (f"{key} = {present}\n", f"{key} = {system.sysctl[key]}\n") for key, present in keys.items()
    ] + rest
    if lines and not module.check_mode:
        bring_about(module, system, keys, rest)
    diff = difference(
        "running system", "".join(line[0] for line in lines), "".join(line[1] for line in lines)
    )
    module.exit_json(changed=bool(lines), diff=diff if lines else [])


def bring_about(module, system, keys, rest):
    for key in keys:
        try:
            with open(sysctl_path(key), "w", encoding="utf-8") as file:
                file.write(system.sysctl[key] + "\n")
        except OSError as error:
            module.fail_json(msg=f"sysctl {key} = {system.sysctl[key]}: {error.strerror}")
    if rest:
        module.run_command(["systemctl", "restart", module.params["unit"]])
    still = [f"sysctl {key} = {value}" for key, value in system.sysctl_differences().items()]
    still += [line[0].strip() for line in system.unit_differences()]
    if still:
        _, journal, _ = module.run_command(
            ["journalctl", "-u", module.params["unit"], "-n", "6", "-o", "cat", "--no-pager"]
        )
        module.fail_json(msg="\n".join(["still as it was:", *still, journal.strip()]))


if __name__ == "__main__":
    main()
