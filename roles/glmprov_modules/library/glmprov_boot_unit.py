#!/usr/bin/python
"""Install a boot unit of ours with its program and configuration, and run it now."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.glmprov_host import FILE_OPTIONS, difference, link_devices, write_files

DOCUMENTATION = r"""
module: glmprov_boot_unit
short_description: Install a systemd unit that sets something again at boot
description:
  - Writes the unit, its program and its configuration, enables the unit, and runs it if anything of that
    changed or it hasn't run since boot.
  - Makes the /dev/char links of the NVIDIA devices before its daemon-reload, so that containers keep their
    cards.
options:
  name:
    description: The unit's name, with its suffix.
    type: str
    required: true
  files:
    description: The unit's file and what it needs, each with path, content and mode.
    type: list
    elements: dict
    required: true
  state:
    description: The wanted state as {enabled, active}.
    type: dict
    required: true
author: glmprov
"""

EXAMPLES = r"""
- name: Install the boot unit
  glmprov_boot_unit:
    name: glmprov-gpu-power.service
    state: {enabled: true, active: true}
    files: "{{ __gpu_power_files }}"
"""


class Unit:
    """A systemd unit and the commands that change it."""

    def __init__(self, module, name):
        self.module = module
        self.name = name
        self.systemctl = module.get_bin_path("systemctl", required=True)

    def run(self, *arguments, check=True):
        rc, out, err = self.module.run_command([self.systemctl, *arguments])
        if check and rc:
            self.module.fail_json(
                msg=f"systemctl {' '.join(arguments)}: {err.strip() or out.strip()}{self.journal()}"
            )
        return out.strip()

    def show(self):
        """Return (enabled, active, needs daemon-reload)."""
        text = self.run("show", "-p", "UnitFileState,ActiveState,NeedDaemonReload,LoadState", self.name)
        values = dict(line.partition("=")[::2] for line in text.splitlines())
        return (
            values["UnitFileState"] == "enabled",
            values["ActiveState"] == "active",
            values["NeedDaemonReload"] == "yes",
        )

    def journal(self):
        """Return the unit's last words, for a message."""
        _, out, _ = self.module.run_command(
            ["journalctl", "-u", self.name, "-n", "5", "-o", "cat", "--no-pager"]
        )
        return f"\n{out.strip()}" if out.strip() else ""


def main():
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "files": {"type": "list", "elements": "dict", "required": True, "options": FILE_OPTIONS},
            "state": {
                "type": "dict",
                "required": True,
                "options": {
                    "enabled": {"type": "bool", "default": True},
                    "active": {"type": "bool", "default": True},
                },
            },
        },
        supports_check_mode=True,
    )
    unit = Unit(module, module.params["name"])
    wanted = (module.params["state"]["enabled"], module.params["state"]["active"])
    try:
        diffs = write_files(module.params["files"], module.check_mode)
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}")
    enabled, active, reload = unit.show()
    before = (enabled, active)
    after = wanted if module.check_mode else bring_about(unit, wanted, before, bool(diffs), reload)
    if before != after:
        diffs.append(difference(unit.name, describe(before), describe(after)))
    module.exit_json(changed=bool(diffs), diff=diffs, enabled=after[0], active=after[1])


def bring_about(unit, wanted, before, files_changed, reload):
    """Change the unit as wanted. Return what it is after: a unit whose condition isn't met stays inactive."""
    enabled, active = before
    if files_changed or reload or enabled != wanted[0]:
        link_devices()
        unit.run("daemon-reload")
    if enabled != wanted[0]:
        unit.run("enable" if wanted[0] else "disable", unit.name)
    if wanted[1] and (files_changed or not active):
        unit.run("restart", unit.name)
    elif active and not wanted[1]:
        unit.run("stop", unit.name)
    return unit.show()[:2]


def describe(state):
    return f"enabled {state[0]}\nactive {state[1]}\n"


if __name__ == "__main__":
    main()
