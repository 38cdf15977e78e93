#!/usr/bin/python
"""Merge settings into Docker's daemon.json, and bring the daemon to a state in which it has them."""

from __future__ import annotations

import copy
import http.client
import json
import os
import re
import socket

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.glmprov_host import difference, read_text, write_text
from ansible.module_utils.glmprov_systemd import STATE_OPTIONS, Unit

DOCUMENTATION = r"""
module: docker_engine
short_description: Merge settings into Docker's daemon.json and run the daemon with them
description:
  - Sets the given keys and leaves all others as they are, in their order and with the file's indentation.
  - Takes out the keys whose value is null, and objects that are empty without them.
  - The file as it was before our first change is kept beside it, as daemon.json.before-glmprov; "null" where there was
    none.
  - With forget, that one is put back as it was, letter by letter, if it says the same as what is left; a file that is
    empty then and wasn't there before is removed.
  - Broken JSON, or a file that the daemon would refuse, is never written over.
  - Restarts the daemon only if it runs without the settings. If it doesn't start with them, the file is put
    back, the daemon started again, and the task fails.
options:
  settings:
    description: Values by dotted path, "runtimes.nvidia.path".
    type: dict
    required: true
  service:
    description: The wanted state of docker.service, as {enabled, active}. Not given, it is left alone, not restarted.
    type: dict
  forget:
    description: Nothing of ours is to stay. The file from before our first change goes.
    type: bool
    default: false
  path:
    description: The file.
    type: path
    default: /etc/docker/daemon.json
author: glmprov
"""

EXAMPLES = r"""
- name: Merge the daemon's settings
  docker_engine:
    settings: {runtimes.nvidia.path: nvidia-container-runtime}
    service: {enabled: true, active: true}
"""

UNIT = "docker.service"
NO_FILE = "null\n"
"""The copy of the file from before our first change where there was none."""


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


def merge(document, settings, original):
    """Return document with each setting at its dotted path; a plain value in the way is an UnusableError.

    None takes the setting out, which may make room for another; an empty object adds nothing to one that is there.
    original is what the file said before our first change.
    """
    merged = copy.deepcopy(document)
    for path in (path for path, value in settings.items() if value is None):
        *parents, last = path.split(".")
        take_out(merged, parents, last, original)
    for path, value in settings.items():
        if value is None:
            continue
        *parents, last = path.split(".")
        place = merged
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise UnusableError(f"{parent} is no object, so {path} can't be set")
        if value != {} or not isinstance(place.get(last), dict):
            place[last] = value
    return merged


def take_out(document, parents, last, original):
    """Take a setting out of document, and the objects above it that are empty then and weren't there before us."""
    places = [document]
    for parent in parents:
        place = places[-1].get(parent)
        if not isinstance(place, dict):
            return
        places.append(place)
    if places[-1].pop(last, None) is None:
        return
    for depth in range(len(parents), 0, -1):
        place, parent = places[depth - 1], parents[depth - 1]
        if place[parent] == {} and not is_empty(original, parents[:depth]):
            del place[parent]


def is_empty(document, parents):
    """Tell whether document has an empty object at a path."""
    for parent in parents:
        document = document.get(parent)
        if not isinstance(document, dict):
            return False
    return document == {}


def before_us(path):
    """Return what the file said before our first change; nothing if there was none, or the copy is broken."""
    try:
        return parse(text_before_us(path) or "")
    except UnusableError:
        return {}


def text_before_us(path):
    """Return the file's text before our first change, None if there was no file, or nothing was changed."""
    text = read_text(path + ".before-glmprov")
    return None if text == NO_FILE else text


def without_ours(document, before, original):
    """Return the text to leave when nothing of ours is to stay, None for no file.

    before is the text now, original the one from before our first change, None if there was none.
    """
    if original is not None and parse(original) == document:
        return original
    return render(document, before) if document or original is not None else None


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


def is_stale(wanted, present, active, info):
    """Tell whether the daemon, active or not, that says info of itself, lacks the wanted settings.

    present is what the file said before: what it didn't say, the daemon can't have, not even one that gave no answer
    (info None). A file that is right may be newer than the daemon, so runtimes and cgroup driver are asked of the
    daemon itself.
    """
    if wanted != present:
        return active or info is not None
    if info is None:
        return False
    options = [str(option).partition("=") for option in wanted.get("exec-opts", [])]
    drivers = [value for name, _, value in options if name == "native.cgroupdriver"]
    runtimes = set(wanted.get("runtimes", {}))
    return not runtimes <= set(info.get("Runtimes", {})) or drivers[-1:] not in (
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


def replace(module, path, before, after):
    """Put the new text at path, checked, with the text before our first change kept beside it. None: no file."""
    if after is None:
        os.unlink(path)
        return
    write_text(path + ".new", after)
    validate(module, path + ".new")
    if not module.params["forget"] and not os.path.exists(path + ".before-glmprov"):
        write_text(path + ".before-glmprov", NO_FILE if before is None else before)
    os.rename(path + ".new", os.path.realpath(path))


def restart(module, path, before):
    """Restart the daemon. If it doesn't come up, put the settings back, start it with those, and fail."""
    unit = Unit(module, UNIT)
    # Several settings in a row are no crash loop: systemd would refuse the fourth start in a minute.
    module.run_command(["systemctl", "reset-failed", UNIT])
    rc, out, err = module.run_command(["systemctl", "restart", UNIT])
    if rc == 0:
        return
    words = (err or out).strip() + unit.journal(8)
    if before is None:
        os.unlink(path)
    else:
        write_text(path, before)
    module.run_command(["systemctl", "reset-failed", UNIT])
    rc = module.run_command(["systemctl", "restart", UNIT])[0]
    ending = (
        "it runs with the settings from before"
        if rc == 0
        else "it doesn't start with those from before either"
    )
    module.fail_json(msg=f"docker doesn't start with the new {path}; {ending}\n{words}")


def left(module, path, merged, before):
    """Return the text to put at path, None for no file."""
    if not module.params["forget"]:
        return render(merged, before)
    try:
        return without_ours(merged, before, text_before_us(path))
    except UnusableError:  # somebody broke the copy: what the file says now counts
        return render(merged, before)


def main():
    module = AnsibleModule(
        argument_spec={
            "settings": {"type": "dict", "required": True},
            "service": {"type": "dict", "options": STATE_OPTIONS},
            "forget": {"type": "bool", "default": False},
            "path": {"type": "path", "default": "/etc/docker/daemon.json"},
        },
        supports_check_mode=True,
    )
    path, service = module.params["path"], module.params["service"]
    before = read_text(path)
    try:
        document = parse(before or "")
        merged = merge(document, module.params["settings"], before_us(path))
    except UnusableError as error:
        module.fail_json(msg=f"{path}: {error}. Mend the file or move it away; it was left as it is.")
    diffs = []
    after = left(module, path, merged, before) if merged != document else before
    if after != before:
        diffs.append(difference(path, before or "", after or ""))
        if not module.check_mode:
            replace(module, path, before, after)
    to_run = service["active"] if service else module.params["forget"]
    if to_run and is_stale(merged, document, Unit(module, UNIT).show()[0][1], running_daemon()):
        diffs.append(difference("the running daemon", "older settings\n", f"those of {path}\n"))
        if not module.check_mode:
            restart(module, path, before)
    if module.params["forget"] and not module.check_mode and os.path.exists(path + ".before-glmprov"):
        os.unlink(path + ".before-glmprov")
    diffs += [diff for diff in [service and Unit(module, UNIT).bring_to(service)] if diff]
    module.exit_json(changed=bool(diffs), diff=diffs)


if __name__ == "__main__":
    main()
