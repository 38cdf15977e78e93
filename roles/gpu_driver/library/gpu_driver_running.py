#!/usr/bin/python
"""Load the driver if it can be loaded, and bring its persistence daemon to a state."""

from __future__ import annotations

import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.glmprov_host import another_driver_is_loaded, difference
from ansible.module_utils.glmprov_systemd import STATE_OPTIONS, Unit

DOCUMENTATION = r"""
module: gpu_driver_running
short_description: Load the driver, and bring its persistence daemon to a state
description:
  - A driver of another version that is loaded stays, because unloading it would stop all that uses a card.
    The same goes for nouveau. The next look at the host says that a reboot is pending.
options:
  persistence_daemon:
    description: The wanted state of nvidia-persistenced.service, as {enabled, active}. Not given, it is left alone.
    type: dict
author: glmprov
"""

EXAMPLES = r"""
- name: Run the driver
  gpu_driver_running:
    persistence_daemon: {enabled: true, active: true}
"""

VERSION = "/proc/driver/nvidia/version"
MODULES = ["nvidia", "nvidia_uvm"]
UNIT = "nvidia-persistenced.service"


def main():
    module = AnsibleModule(
        argument_spec={"persistence_daemon": {"type": "dict", "options": STATE_OPTIONS}},
        supports_check_mode=True,
    )
    diffs = [load(module), run_daemon(module)]
    diffs = [diff for diff in diffs if diff]
    module.exit_json(changed=bool(diffs), diff=diffs)


def load(module):
    """Load the kernel modules where no driver is. Return the diff, None if nothing was loaded."""
    if os.path.exists(VERSION) or os.path.exists("/sys/module/nouveau"):
        return None
    if not module.check_mode:
        rc, out, err = module.run_command(["modprobe", "--all", *MODULES])
        if rc:
            module.fail_json(
                msg=f"the driver is installed but can't be loaded: {(err or out).strip()}\n"
                "dkms status and journalctl -k say more; a reboot may be needed"
            )
    return difference("kernel modules", "", "".join(f"{name}\n" for name in MODULES))


def run_daemon(module):
    """Bring the daemon to its state. Where a reboot is due before it can run, the reboot starts it."""
    if not module.params["persistence_daemon"] or os.path.exists("/sys/module/nouveau"):
        return None
    return Unit(module, UNIT).bring_to(
        module.params["persistence_daemon"], can_run=not another_driver_is_loaded()
    )


if __name__ == "__main__":
    main()
