#!/usr/bin/python
"""Sort out what is to be taken back: as given, or as recorded on the host; or forget the record."""

from __future__ import annotations

import json
import os
import re

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.glmprov_host import difference, read_text
from ansible.module_utils.glmprov_record import DamagedRecordError
from ansible.module_utils.glmprov_record import load as load_packages

DOCUMENTATION = r"""
module: revert_recorded
short_description: Sort out what is to be taken back, as given or as recorded on the host
description:
  - What isn't given is taken from the receipt and from the record of packages.
  - With forget, removes the receipt instead. The history stays.
options:
  values:
    description: Values from before by key.
    type: dict
  files:
    description: Our files, with their sums.
    type: dict
  packages:
    description: Packages of ours with the version from before, null for absent.
    type: dict
  holds:
    description: Packages that we hold.
    type: list
    elements: str
  packages_too:
    description: Of what is recorded, take packages back too, and their sources.
    type: bool
    default: false
  forget:
    description: Remove the receipt and what each key was before.
    type: bool
    default: false
author: glmprov
"""

EXAMPLES = r"""
- name: Read what was recorded
  revert_recorded:
    packages_too: true
"""

RETURN = r"""
found:
  description: values by key; daemon and arguments, those of daemon.json and the kernel; files, packages, holds.
  returned: without forget
  type: dict
"""

HOME = "/var/lib/glmprov"
DAEMON_FILE = "/etc/docker/daemon.json"
RECORDS = ("receipt.json", "before.json")
NOT_ITS_FILES = re.compile(
    r"/etc/apt/(sources\.list\.d|keyrings)/|/etc/docker/daemon\.json|/etc/systemd/system/[^/]+/"
)
"""Of the receipt's files these go otherwise, with the packages and by value, or are somebody's drop-ins."""


def recorded(module):
    text = read_text(f"{HOME}/receipt.json")
    try:
        receipt = json.loads(text) if text else {}
        known = load_packages()
    except (ValueError, DamagedRecordError) as error:
        module.fail_json(msg=f"what was done here can't be known, so nothing is taken back: {error}")
    too = module.params["packages_too"]
    files = {
        path: digest for path, digest in receipt.get("files", {}).items() if not NOT_ITS_FILES.match(path)
    }
    return {
        "values": {**receipt.get("before", {}), **shared_lists(receipt, read_text(DAEMON_FILE))},
        "files": {**files, **(known["sources"] if too else {})},
        "packages": known["packages"] if too else {},
        "holds": known["holds"],
    }


def shared_lists(receipt, text):
    """Return the lists of daemon.json that we changed as they are to be, by key: only our own items go.

    text is what the file says now. glmprov/plan/daemon_keys.py says the same where glmprov shows it first.
    """
    try:
        document = json.loads(text or "{}")
    except ValueError:  # docker_engine refuses it, with the place
        return {}
    applied, lists = (receipt.get("expected") or {}).get("container_engine") or {}, {}
    for path, was in (applied.get("daemon") or {}).items():
        key, now = f"container_engine.daemon[{path}]", value_at(document, path)
        before = receipt.get("before", {}).get(key)
        if isinstance(now, list) and key in receipt.get("before", {}) and not unreadable(before):
            was = was["was"] if isinstance(was, dict) and "was" in was else was
            asked = applied.get("asked_options") if path == "exec-opts" else was
            lists[key] = without_us(now, was, before, asked)
    return lists


def value_at(document, path):
    for name in path.split("."):
        document = document.get(name) if isinstance(document, dict) else None
    return document


def without_us(now, was, before, asked):
    """Return a list without the items that we asked for and that weren't there before us, None for absent.

    was is what we set it to: what we took out then comes back.
    """
    theirs, was, asked = (value if isinstance(value, list) else [] for value in (before, was, asked))
    left = [item for item in now if item not in asked or item in theirs]
    left += [item for item in theirs if item not in was and item not in left]
    same_items = len(left) == len(theirs) and all(item in theirs for item in left)
    return before if same_items else left


def sorted_out(module):
    """Return what is given, else what is recorded, with the values for other modules under their own names."""
    given = {name: module.params[name] for name in ("values", "files", "packages", "holds")}
    found = given
    if any(value is None for value in given.values()):
        found = {**recorded(module), **{name: value for name, value in given.items() if value is not None}}
    daemon = items(found["values"], r"container_engine\.daemon\[(.+)\]")
    arguments = items(found["values"], r"host_tuning\.kernel_arguments\[(.+)\]\.declared")
    return {**found, "daemon": daemon, "arguments": arguments}


def items(values, shape):
    """Return {item: value} of the keys of a shape, without those that could not be read."""
    found = ((re.fullmatch(shape, key), value) for key, value in values.items())
    return {match[1]: value for match, value in found if match and not unreadable(value)}


def unreadable(value):
    return isinstance(value, dict) and set(value) == {"unknown"}


def main():
    module = AnsibleModule(
        argument_spec={
            "values": {"type": "dict"},
            "files": {"type": "dict"},
            "packages": {"type": "dict"},
            "holds": {"type": "list", "elements": "str"},
            "packages_too": {"type": "bool", "default": False},
            "forget": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if not module.params["forget"]:
        module.exit_json(changed=False, found=sorted_out(module))
    paths = [f"{HOME}/{name}" for name in RECORDS if os.path.exists(f"{HOME}/{name}")]
    for path in [] if module.check_mode else paths:
        os.unlink(path)
    module.exit_json(changed=bool(paths), diff=[difference(path, "there\n", "") for path in paths])


if __name__ == "__main__":
    main()
