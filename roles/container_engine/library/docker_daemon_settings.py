#!/usr/bin/python
"""Merge settings into Docker's daemon.json and tell whether the running daemon has to learn them."""

from __future__ import annotations

import copy
import http.client
import json
import os
import re
import socket

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.glmprov_host import difference, read_text, write_text

DOCUMENTATION = r"""
module: docker_daemon_settings
short_description: Merge settings into Docker's daemon.json
description:
  - Sets the given keys and leaves all others as they are, in their order and with the file's indentation.
  - The file as it was before our first change is kept beside it, as daemon.json.before-glmprov.
  - Broken JSON, or a file that the daemon would refuse, is never written over.
options:
  settings:
    description: Values by dotted path, "runtimes.nvidia.path".
    type: dict
    required: true
  path:
    description: The file.
    type: path
    default: /etc/docker/daemon.json
author: glmprov
"""

EXAMPLES = r"""
- name: Merge the daemon's settings
  docker_daemon_settings:
    settings:
      runtimes.nvidia.path: nvidia-container-runtime
"""

RETURN = r"""
stale:
  description: The running daemon doesn't have the settings that the file has.
  returned: always
  type: bool
"""


class UnusableError(ValueError):
    """The file isn't a JSON object that can be merged into."""


def parse(text):
    """Return what daemon.json's text says; an empty file says nothing. Raise UnusableError with the place."""
    if not text.strip():
        return {}
    try:
        document = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise UnusableError(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    if not isinstance(document, dict):
        raise UnusableError("not a JSON object")
    return document


def unique(pairs):
    keys = [key for key, _ in pairs]
    twice = {key for key in keys if keys.count(key) > 1}
    if twice:
        raise UnusableError(f"{sorted(twice)[0]} is there twice")
    return dict(pairs)


def merge(document, settings):
    """Return document with each setting at its dotted path; a plain value in the way is an UnusableError."""
    merged = copy.deepcopy(document)
    for path, value in settings.items():
        *parents, last = path.split(".")
        place = merged
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise UnusableError(f"{parent} is no object, so {path} can't be set")
        place[last] = value
    return merged


def render(document, before):
    """Return document as text, indented as the text before."""
    indent = re.search(r"\n([ \t]+)\"", before or "")
    return json.dumps(document, indent=indent.group(1) if indent else 4, ensure_ascii=False) + "\n"


class Unix(http.client.HTTPConnection):
    """HTTP over Docker's socket."""

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect("/var/run/docker.sock")


def running_daemon():
    """Return what the running daemon says of itself (GET /info), None if there is none."""
    connection = Unix("docker", timeout=20)
    try:
        connection.request("GET", "/info")
        return json.loads(connection.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def is_stale(document, info):
    """Tell whether a running daemon misses a runtime, or the cgroup driver, that the file gives it."""
    if info is None:
        return False
    drivers = [
        str(option).partition("=")[2]
        for option in document.get("exec-opts", [])
        if "cgroupdriver=" in str(option)
    ]
    return not set(document.get("runtimes", {})) <= set(info.get("Runtimes", {})) or drivers[-1:] not in (
        [],
        [info.get("CgroupDriver")],
    )


def validate(module, path):
    """Let dockerd check the file where it can (23.0 and newer)."""
    dockerd = module.get_bin_path("dockerd")
    if not dockerd or "--validate" not in module.run_command([dockerd, "--help"])[1]:
        return
    rc, out, err = module.run_command([dockerd, "--validate", "--config-file", path])
    if rc:
        os.unlink(path)
        module.fail_json(
            msg=f"dockerd refuses the merged settings, nothing was changed: {(err or out).strip()}"
        )


def main():
    module = AnsibleModule(
        argument_spec={
            "settings": {"type": "dict", "required": True},
            "path": {"type": "path", "default": "/etc/docker/daemon.json"},
        },
        supports_check_mode=True,
    )
    path = module.params["path"]
    before = read_text(path)
    try:
        document = parse(before or "")
        merged = merge(document, module.params["settings"])
    except UnusableError as error:
        module.fail_json(msg=f"{path}: {error}. Mend the file or move it away; it was left as it is.")
    changed = merged != document
    if changed and not module.check_mode:
        after = render(merged, before)
        write_text(path + ".new", after)
        validate(module, path + ".new")
        if before is not None and not os.path.exists(path + ".before-glmprov"):
            write_text(path + ".before-glmprov", before)
        os.rename(path + ".new", os.path.realpath(path))
    diff = [difference(path, before or "", render(merged, before))] if changed else []
    stale = is_stale(merged, running_daemon())
    if stale and not changed:
        diff = [difference("the running daemon", "older settings\n", f"those of {path}\n")]
    module.exit_json(changed=changed or stale, diff=diff, stale=stale)


if __name__ == "__main__":
    main()
