#!/usr/bin/python
"""Find what would make the driver's installation fail, before the first change."""

from __future__ import annotations

import glob
import os
import platform
import re

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.glmprov_host import read_text

DOCUMENTATION = r"""
module: gpu_driver_preflight
short_description: Find what would make the driver's installation fail, before the first change
description:
  - Changes nothing. Fails with every reason at once, each with its way out.
  - Returns what is loaded, so that the role knows whether the driver can be loaded without a reboot.
options:
  source:
    description: nvidia, ubuntu or existing.
    type: str
    required: true
  kernels:
    description: Releases of the kernels that need a module; none means the running one and the newest one in /boot.
    type: list
    elements: str
    default: []
author: glmprov
"""

EXAMPLES = r"""
- name: Check that the driver can be installed
  gpu_driver_preflight:
    source: nvidia
"""

RETURN = r"""
distribution:
  description: The distribution as NVIDIA's repository spells it, debian12 or ubuntu2404.
  returned: always
  type: str
loaded:
  description: The loaded driver's version, empty if none is.
  returned: always
  type: str
nouveau:
  description: The nouveau module is loaded.
  returned: always
  type: bool
kernels:
  description: Releases of the kernels that need a module.
  returned: always
  type: list
without_headers:
  description: Those of them whose headers aren't there, so that no module can be built for them.
  returned: always
  type: list
"""

NEEDED_BYTES = {"/usr": 2 << 30, "/var": 1 << 30, "/boot": 128 << 20}
"""Room for the driver's userland and module source, for building, and for one more initramfs."""


def distribution(os_release):
    """Given the text of /etc/os-release, return the distribution as NVIDIA spells it."""
    values = dict(line.partition("=")[::2] for line in os_release.splitlines())
    return values.get("ID", "").strip('"') + values.get("VERSION_ID", "").strip('"').replace(".", "")


def secure_boot(efivars="/sys/firmware/efi/efivars"):
    """Tell whether the firmware enforces Secure Boot: the variable's byte after four bytes of attributes."""
    for path in glob.glob(efivars + "/SecureBoot-*"):
        with open(path, "rb") as file:
            return file.read(5)[4:] == b"\x01"
    return False


def loaded_version(version_text):
    """Return (version, open modules) of /proc/driver/nvidia/version, ("", False) if there is no driver."""
    for line in (version_text or "").splitlines():
        if line.startswith("NVRM version:"):
            words = line.split()
            numbers = [word for word in words if word[:1].isdigit() and "." in word]
            return (numbers[0] if numbers else ""), "Open" in words
    return "", False


KEYS = ("/var/lib/shim-signed/mok/MOK.der", "/var/lib/dkms/mok.pub")
"""Certificates of the keys that dkms signs with, on Ubuntu and on Debian."""


def signing_fault(module):
    """Return why a module built here couldn't be loaded under Secure Boot, None if it could."""
    if not secure_boot():
        return None
    mokutil, present = module.get_bin_path("mokutil"), [key for key in KEYS if os.path.exists(key)]
    for key in present if mokutil else ():
        _, out, _ = module.run_command([mokutil, "--test-key", key])
        if "already enrolled" in out:
            return None
    return (
        "Secure Boot is on, and the key that signs modules built here isn't enrolled: the kernel would refuse the "
        f"driver. Enroll it (dkms generate_mok; mokutil --import {(present or KEYS[-1:])[0]}; reboot, confirm it "
        "on the console), or set gpu_driver_source: ubuntu, whose modules are signed, or turn it off."
    )


def space_faults():
    for path, needed in NEEDED_BYTES.items():
        status = os.statvfs(path)
        free = status.f_bavail * status.f_frsize
        if free < needed:
            yield f"{path}: {free >> 20} MiB free, the driver needs {needed >> 20} MiB. Make room."


def kernels(given, boot="/boot"):
    """Return the releases of the kernels that need a module."""
    images = [path.rpartition("vmlinuz-")[2] for path in glob.glob(boot + "/vmlinuz-*")]
    newest = max(images, key=lambda release: [int(n) for n in re.findall(r"\d+", release)], default=None)
    return list(dict.fromkeys(given or [release for release in (platform.release(), newest) if release]))


def faults(module, loaded, is_open):
    source = module.params["source"]
    if source == "existing":
        if not loaded:
            yield "gpu_driver_source is existing, but no driver is loaded. Load it, or choose a source."
        elif not is_open:
            yield f"driver {loaded} has the proprietary kernel modules; Blackwell cards need the open ones."
        return
    if os.path.exists("/usr/bin/nvidia-uninstall"):
        yield (
            "the driver was installed by NVIDIA's .run installer, packages would mix with it. "
            "Run nvidia-uninstall first, or set gpu_driver_source: existing."
        )
    if source == "nvidia":
        fault = signing_fault(module)
        if fault:
            yield fault
    if not loaded:
        yield from space_faults()


def main():
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "str", "required": True, "choices": ["nvidia", "ubuntu", "existing"]},
            "kernels": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    loaded, is_open = loaded_version(read_text("/proc/driver/nvidia/version"))
    found = list(faults(module, loaded, is_open))
    if found:
        module.fail_json(msg="\n".join(found))
    needing = kernels(module.params["kernels"])
    module.exit_json(
        changed=False,
        distribution=distribution(read_text("/etc/os-release") or ""),
        loaded=loaded,
        nouveau=os.path.exists("/sys/module/nouveau"),
        kernels=needing,
        without_headers=[each for each in needing if not os.path.exists(f"/lib/modules/{each}/build")],
    )


if __name__ == "__main__":
    main()
