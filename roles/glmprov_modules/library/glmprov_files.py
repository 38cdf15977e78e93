#!/usr/bin/python
"""Write several small files in one task."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.glmprov_host import FILE_OPTIONS, difference, stale_initramfs, why, write_files

DOCUMENTATION = r"""
module: glmprov_files
short_description: Write several small files in one task
description:
  - Each file is replaced as a whole, in one step, and is on disk when the task ends.
  - One task a host instead of one a file, because a task costs more than all that it writes.
  - The initramfs is rebuilt if it is older than a file that belongs into it; a run that was cut off leaves
    nothing behind that the next one doesn't see.
options:
  files:
    description: The files, each with path, content, mode (0644), wanted (true; false removes the file),
    given (true;
      false leaves the file alone), initramfs (false).
    type: list
    elements: dict
    required: true
author: glmprov
"""

EXAMPLES = r"""
- name: Write the settings
  glmprov_files:
    files:
      - path: /etc/glmprov/nccl.env
        content: "{{ lookup('ansible.builtin.template', 'nccl.env.j2') }}"
"""


def main():
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "required": True, "options": FILE_OPTIONS},
        },
        supports_check_mode=True,
    )
    try:
        diffs = write_files(module.params["files"], module.check_mode)
    except OSError as error:
        module.fail_json(msg=why(error))
    rebuild = stale_initramfs(module.params["files"])
    if rebuild:
        diffs.append(difference("initramfs", "older than its files\n", "rebuilt\n"))
    if rebuild and not module.check_mode:
        rebuild_initramfs(module)
    module.exit_json(changed=bool(diffs), diff=diffs)


def rebuild_initramfs(module):
    command = [module.get_bin_path("update-initramfs", required=True), "-u", "-k", "all"]
    rc, out, err = module.run_command(command)
    if rc:
        module.fail_json(msg=f"{' '.join(command)}: {(err or out).strip()}")


if __name__ == "__main__":
    main()
