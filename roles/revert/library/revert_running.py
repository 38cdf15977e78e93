#!/usr/bin/python
"""Put back what the running system was set to: sysctl, CPU governor, ACS, cards, services of others."""

from __future__ import annotations

import glob
import re

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.glmprov_host import difference, read_text
from ansible.module_utils.glmprov_systemd import Unit

DOCUMENTATION = r"""
module: revert_running
short_description: Put back what the running system was set to before provisioning
description:
  - Sets sysctl values, the CPU governor, ACS of bridges, power limits and persistence mode of cards, and the state of
    nvidia-persistenced and docker, where a value from before is given. Other keys are left to other tasks.
  - What fails doesn't keep the rest from being put back; all that failed is named at the end.
options:
  values:
    description: Values from before by key, as an audit spells them. What was absent is null.
    type: dict
    required: true
author: glmprov
"""

EXAMPLES = r"""
- name: Put running values back
  revert_running:
    values: {"host_tuning.sysctl[vm.swappiness].effective": "60"}
"""

GOVERNORS = "/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor"
ACS_BEFORE = "/run/glmprov/acs"
UNITS = {
    "gpu_driver.persistence_daemon": "nvidia-persistenced.service",
    "container_engine.service": "docker.service",
}


def items(values, field, part=""):
    """Return {item: value} of a field's keys, field[item].part, that had a value."""
    shape = re.compile(re.escape(field) + r"\[(.+)\]" + re.escape(part))
    found = ((shape.fullmatch(key), value) for key, value in values.items())
    return {
        match[1]: value for match, value in found if match and value is not None and not unreadable(value)
    }


def unreadable(value):
    return isinstance(value, dict)


class Running:
    """The running system on its way back."""

    def __init__(self, module):
        self.module = module
        self.values = module.params["values"]
        self.lines = []
        self.failed = []

    def put(self, path, value):
        """Write a value into a file of the kernel's, if it isn't there."""
        present = read_text(path)
        if present is None or " ".join(present.split()) == value:
            return
        self.lines.append((f"{path} {present.strip()}\n", f"{path} {value}\n"))
        if self.module.check_mode:
            return
        try:
            with open(path, "w", encoding="utf-8") as file:
                file.write(value + "\n")
        except OSError as error:
            self.failed.append(f"{path}: {error.strerror}")

    def kernel(self):
        for key, value in items(self.values, "host_tuning.sysctl", ".effective").items():
            self.put("/proc/sys/" + key.translate(str.maketrans("./", "/.")), " ".join(str(value).split()))
        governor = self.values.get("host_tuning.cpu_governor.effective")
        if isinstance(governor, str) and " " not in governor:
            for path in glob.glob(GOVERNORS):
                self.put(path, governor)

    def run(self, what, *command):
        self.lines.append(("", f"{what}\n"))
        if self.module.check_mode:
            return
        rc, out, err = self.module.run_command(list(command))
        if rc:
            self.failed.append(f"{what}: {(err or out).strip()}")

    def bridges(self):
        """Turn ACS on again as it was in this boot, where our boot unit noted it; else the next boot does."""
        noted = dict(line.split("=", 1) for line in (read_text(ACS_BEFORE) or "").split() if "=" in line)
        for bridge, was_off in items(self.values, "host_tuning.acs_disabled", ".effective").items():
            if was_off is False and bridge in noted:
                self.run(
                    f"{bridge} ACS {noted[bridge]}", "setpci", "-s", bridge, f"ECAP_ACS+6.w={noted[bridge]}"
                )

    def units(self):
        for key, name in UNITS.items():
            state = {part: self.values.get(f"{key}.{part}") for part in ("enabled", "active")}
            if all(value is None or unreadable(value) for value in state.values()):
                continue
            unit = Unit(self.module, name)
            now = dict(zip(("enabled", "active"), unit.show()[0], strict=True))
            wanted = {part: now[part] if state[part] is None else state[part] for part in state}
            diff = unit.bring_to(wanted)
            if diff:
                self.lines.append((diff["before"], diff["after"]))

    def cards(self):
        """Persistence mode before the limit: a card without it forgets its limit when nobody uses it."""
        smi = self.module.get_bin_path("nvidia-smi")
        if not smi:
            return
        for uuid, mode in items(self.values, "gpu_power.persistence_mode").items():
            self.run(f"{uuid} persistence mode {mode}", smi, "-i", uuid, "-pm", "1" if mode else "0")
        for uuid, watts in items(self.values, "gpu_power.limit_watts", ".effective").items():
            self.run(f"{uuid} {watts} W", smi, "-i", uuid, "-pl", str(watts))


def main():
    module = AnsibleModule(
        argument_spec={"values": {"type": "dict", "required": True}}, supports_check_mode=True
    )
    running = Running(module)
    running.kernel()
    running.bridges()
    running.units()
    running.cards()
    if running.failed:
        module.fail_json(msg="\n".join(["this was not put back:", *running.failed]))
    before, after = ("".join(line[side] for line in running.lines) for side in (0, 1))
    diff = [difference("running system", before, after)] if running.lines else []
    module.exit_json(changed=bool(running.lines), diff=diff)


if __name__ == "__main__":
    main()
