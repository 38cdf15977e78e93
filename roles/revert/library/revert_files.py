#!/usr/bin/python
"""Remove files of ours that nobody edited, with their boot units, and bring boot loader and initramfs up to date."""

from __future__ import annotations

import hashlib
import os
import re
import stat

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.glmprov_host import difference, link_devices
from ansible.module_utils.glmprov_record import DamagedRecordError, forget_sources

DOCUMENTATION = r"""
module: revert_files
short_description: Remove files of ours that nobody edited
description:
  - A file is removed if it has the sum that is given and isn't a link. Others stay and are returned as kept.
  - Boot units are stopped and disabled first. The boot loader's configuration and the initramfs are made anew where a
    file of theirs is gone. Folders of ours that are empty then are removed.
options:
  files:
    description: The sha256 that each file must have, by path.
    type: dict
    required: true
author: glmprov
"""

EXAMPLES = r"""
- name: Remove our files
  revert_files:
    files: {/etc/glmprov/nccl.env: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855}
"""

RETURN = r"""
kept:
  description: Files that stay because they aren't as we wrote them.
  returned: always
  type: list
"""

UNIT = re.compile(r"/etc/systemd/system/(glmprov-[^/]+\.service)")
FOLDERS = ("/etc/glmprov", "/usr/local/lib/glmprov")
GRUB_CFG = "/boot/grub/grub.cfg"


def is_ours(path, digest):
    """Say whether the file is still as we wrote it."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return False
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest() == digest
    except OSError:
        return False


def remove(module, paths):
    units = [match[1] for match in map(UNIT.fullmatch, paths) if match]
    if units:
        link_devices()  # daemon-reload would cut containers off their cards otherwise
        run(module, "systemctl", "disable", "--now", *units)
    for path in paths:
        try:
            os.unlink(path)
        except OSError as error:
            module.fail_json(msg=f"{path}: {error.strerror}")
    if units:
        run(module, "systemctl", "daemon-reload")
        module.run_command(["systemctl", "reset-failed", *units])
    for folder in FOLDERS:
        if os.path.isdir(folder) and not os.listdir(folder):
            os.rmdir(folder)
    forget_sources(paths)
    if any(path.startswith("/etc/default/grub.d/") for path in paths):
        update = module.get_bin_path("update-grub")
        run(module, *([update] if update else [module.get_bin_path("grub2-mkconfig", True), "-o", GRUB_CFG]))
    if any(path.startswith("/etc/modprobe.d/") for path in paths):
        run(module, module.get_bin_path("update-initramfs", True), "-u", "-k", "all")


def run(module, *command):
    rc, out, err = module.run_command(list(command))
    if rc:
        module.fail_json(msg=f"{' '.join(command)}: {(err or out).strip()}")


def main():
    module = AnsibleModule(
        argument_spec={"files": {"type": "dict", "required": True}}, supports_check_mode=True
    )
    here = {path: digest for path, digest in module.params["files"].items() if os.path.lexists(path)}
    ours = [path for path, digest in here.items() if is_ours(path, digest)]
    if ours and not module.check_mode:
        try:
            remove(module, ours)
        except DamagedRecordError as error:
            module.fail_json(msg=str(error))
    diff = [difference(path, "written by glmprov\n", "") for path in ours]
    module.exit_json(changed=bool(ours), diff=diff, kept=sorted(set(here) - set(ours)))


if __name__ == "__main__":
    main()
