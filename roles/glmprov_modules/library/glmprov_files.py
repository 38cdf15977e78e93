#!/usr/bin/python
"""Write several small files in one task."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.glmprov_host import FILE_OPTIONS, write_files

DOCUMENTATION = r"""
module: glmprov_files
short_description: Write several small files in one task
description:
  - Each file is replaced as a whole, in one step, and is on disk when the task ends.
  - One task a host instead of one a file, because a task costs more than all that it writes.
options:
  files:
    description: The files, each with path, content, mode (0644), and wanted (true); false removes the file.
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

RETURN = r"""
paths:
  description: The files that differed.
  returned: always
  type: list
  elements: str
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
        module.fail_json(msg=f"{error.filename}: {error.strerror}")
    module.exit_json(changed=bool(diffs), diff=diffs, paths=[diff["after_header"] for diff in diffs])


if __name__ == "__main__":
    main()
