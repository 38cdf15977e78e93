#!/usr/bin/python
"""Have a module for every kernel that boots, load it if it can be loaded, and run what goes with it."""

from __future__ import annotations

import glob
import os
import re

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.glmprov_host import another_driver_is_loaded, difference, read_text
from ansible.module_utils.glmprov_systemd import STATE_OPTIONS, Unit

DOCUMENTATION = r"""
module: gpu_driver_running
short_description: Have a module for every kernel that boots, load it, and run what goes with it
description:
  - Builds the modules that dkms knows for kernels that have none yet; fails with the build's last words.
  - Has dpkg finish the packages of those kernels, where a build that failed kept it from that.
  - A driver of another version that is loaded stays, because unloading it would stop all that uses a card.
    The same goes for nouveau. The next look at the host says that a reboot is pending.
  - CDI specifications that name another driver's libraries are made anew, once the installed driver is the loaded one.
options:
  kernels:
    description: Releases of the kernels that need a module.
    type: list
    elements: str
    default: []
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
BUILDS = "/var/lib/dkms/nvidia*/*/source"
CDI_SPECS = ("/etc/cdi/nvidia.yaml", "/var/run/cdi/nvidia.yaml")
CDI_LIBRARY = re.compile(r"libcuda\.so\.(\d+(?:\.\d+)+)")


def main():
    module = AnsibleModule(
        argument_spec={
            "kernels": {"type": "list", "elements": "str", "default": []},
            "persistence_daemon": {"type": "dict", "options": STATE_OPTIONS},
        },
        supports_check_mode=True,
    )
    builds = [build(module, kernel) for kernel in module.params["kernels"]]
    diffs = [*builds, finish(module), load(module), run_daemon(module), *refresh_cdi(module)]
    diffs = [diff for diff in diffs if diff]
    module.exit_json(changed=bool(diffs), diff=diffs)


def build(module, kernel):
    """Build what dkms knows of the driver for a kernel. Return the diff, None if all is built."""
    missing = not_built(kernel)
    if not missing:
        return None
    if not module.check_mode:
        rc, out, err = module.run_command(["dkms", "autoinstall", "-k", kernel])
        left = not_built(kernel)
        if left:
            log = read_text(f"/var/lib/dkms/{left[0]}/build/make.log") or ""
            words = "\n".join([*(err or out).strip().splitlines()[-5:], *log.strip().splitlines()[-5:]])
            module.fail_json(
                msg=f"the driver can't be built for kernel {kernel}: dkms autoinstall -k {kernel} ended with {rc}\n"
                f"{words}\nDon't reboot the host into this kernel before that is mended."
            )
    return difference(f"modules of kernel {kernel}", "", "".join(f"{name}\n" for name in missing))


def finish(module):
    """Configure kernels that dpkg has only unpacked: their hooks make the initramfs. Return the diff, None for none."""
    left = [
        name
        for name in (f"linux-image-{kernel}" for kernel in module.params["kernels"])
        if unfinished(module, name)
    ]
    if not left:
        return None
    if not module.check_mode:
        rc, out, err = module.run_command(["dpkg", "--configure", "-a"])
        if rc:
            words = "\n".join((err or out).strip().splitlines()[-5:])
            module.fail_json(
                msg=f"{', '.join(left)} can't be configured: dpkg --configure -a ended with {rc}\n{words}"
            )
    return difference("configured packages", "", "".join(f"{name}\n" for name in left))


def unfinished(module, name):
    """Tell whether a package is on the host and dpkg isn't done with it."""
    rc, state, _ = module.run_command(["dpkg-query", "-W", "-f", "${db:Status-Status}", name])
    return rc == 0 and state not in ("installed", "config-files", "not-installed")


def not_built(kernel):
    """Return what dkms knows of the driver and hasn't built for a kernel, as "nvidia/580.95.05"."""
    known = ["/".join(path.split("/")[4:6]) for path in sorted(glob.glob(BUILDS))]
    return [each for each in known if not glob.glob(f"/var/lib/dkms/{each}/{kernel}/*/module")]


def refresh_cdi(module):
    """Make CDI specifications anew that name the libraries of another driver than the loaded one. Yield the diffs."""
    loaded = (read_text(VERSION) or "").split()
    if not loaded or another_driver_is_loaded():
        return
    for path in CDI_SPECS:
        named = set(CDI_LIBRARY.findall(read_text(path) or ""))
        if not named or named & set(loaded):
            continue
        if not module.check_mode:
            generate_cdi(module, path)
        after = set(CDI_LIBRARY.findall(read_text(path) or ""))
        yield difference(
            path, "".join(f"{v}\n" for v in sorted(named)), "".join(f"{v}\n" for v in sorted(after))
        )


def generate_cdi(module, path):
    rc, out, err = module.run_command(["nvidia-ctk", "cdi", "generate", f"--output={path}"])
    if rc:
        module.fail_json(msg=f"{path} can't be made anew: nvidia-ctk cdi generate: {(err or out).strip()}")


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
