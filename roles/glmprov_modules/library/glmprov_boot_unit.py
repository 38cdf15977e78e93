#!/usr/bin/python
"""Install a boot unit of ours with its program and configuration, and run it now."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.glmprov_host import FILE_OPTIONS, another_driver_is_loaded, why, write_files
from ansible.module_utils.glmprov_systemd import STATE_OPTIONS, Unit

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
  needs_driver:
    description: The unit asks cards, so it waits for the reboot where another driver than the installed one is loaded.
    type: bool
    default: false
  may_fail:
    description: What the unit brought about is judged by a later task, so its failing isn't a failure of this one.
    type: bool
    default: false
  state:
    description: The wanted state as {enabled, active}. Not given, its files are written and the unit is left as it is.
    type: dict
author: glmprov
"""

EXAMPLES = r"""
- name: Install the boot unit
  glmprov_boot_unit:
    name: glmprov-gpu-power.service
    state: {enabled: true, active: true}
    files: "{{ __gpu_power_files }}"
"""


def main():
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "files": {"type": "list", "elements": "dict", "required": True, "options": FILE_OPTIONS},
            "needs_driver": {"type": "bool", "default": False},
            "may_fail": {"type": "bool", "default": False},
            "state": {"type": "dict", "options": STATE_OPTIONS},
        },
        supports_check_mode=True,
    )
    try:
        diffs = write_files(module.params["files"], module.check_mode)
    except OSError as error:
        module.fail_json(msg=why(error))
    if module.params["state"]:
        unit = Unit(module, module.params["name"])
        can_run = not (module.params["needs_driver"] and another_driver_is_loaded())
        diff = unit.bring_to(
            module.params["state"],
            restart=bool(diffs),
            reload=bool(diffs),
            can_run=can_run,
            may_fail=module.params["may_fail"],
        )
        diffs += [diff] if diff else []
    module.exit_json(changed=bool(diffs), diff=diffs)


if __name__ == "__main__":
    main()
