#!/usr/bin/python
"""Write the files of one instance; start nothing."""

from __future__ import annotations

import os
import re
import secrets

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.glmprov_host import (
    difference,
    link_devices,
    read_text,
    why,
    write_files,
    write_text,
)
from ansible.module_utils.glmprov_systemd import Unit

DOCUMENTATION = r"""
module: engine_service_instance
short_description: Write the unit, the environment, the gate and the key of one instance
description:
  - Each file is replaced as a whole, in one step, and is on disk when the task ends. Files of ours that
    another engine needed are removed.
  - The API key is made here if none is given and none is there. It is in files that only root reads, and in no answer.
  - Makes the /dev/char links of the NVIDIA devices before its daemon-reload, so that running containers keep their
    cards. The unit is enabled; starting and stopping it is not this module's business.
options:
  name:
    description: The instance's name.
    type: str
    required: true
  texts:
    description: Files by path, as they are to be.
    type: dict
    default: {}
  key_texts:
    description: Files that only root reads, by path, with {key} for the key. Not given, the instance has no key.
    type: dict
  key:
    description: The key. Not given, the one that is there is kept, or one is made.
    type: str
  former_key:
    description: Go back to the key before the last change of it, where it was kept. It is kept until the next run.
    type: bool
    default: false
  weights:
    description: The folder with the weights.
    type: str
  gate:
    description: The text of the program that gates every start.
    type: str
    required: true
author: glmprov
"""

EXAMPLES = r"""
- name: Write an instance
  engine_service_instance:
    name: glm
    texts: {/etc/systemd/system/glmprov-glm.service: "…"}
    gate: "{{ lookup('ansible.builtin.file', 'gate') }}"
"""

HOME = "/etc/glmprov/instances"
STATE_HOME = "/var/lib/glmprov/instances"
GATE = "/usr/local/lib/glmprov/gate"
FORMER = "key.before"
OURS = re.compile(r"environment|gate\.json|logging\.json|moe/.+")
"""What an instance's folder may hold of ours, beside its key: which of it depends on the engine."""
KEY_BYTES = 32
KEY_CHARACTERS = re.compile(r"[A-Za-z0-9._~+/=-]{8,}")
"""What a key may be made of: it stands in a header, in an environment file and in YAML, and needs no quoting there."""


def main():
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "texts": {"type": "dict", "default": {}},
            "key_texts": {"type": "dict", "no_log": False},
            "key": {"type": "str", "no_log": True},
            "former_key": {"type": "bool", "default": False, "no_log": False},
            "weights": {"type": "str"},
            "gate": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    asked = module.params
    try:
        diffs = written(asked, module.check_mode)
        given = former(asked["name"]) if asked["former_key"] else asked["key"] or None
        diffs += keys(asked["name"], asked["key_texts"], given, module.check_mode)
        diffs += linked(asked["name"], asked["weights"], module.check_mode)
    except OSError as error:
        module.fail_json(msg=why(error))
    except ValueError as error:
        module.fail_json(msg=str(error))
    diffs += enabled(module, f"glmprov-{asked['name']}.service", bool(diffs))
    module.exit_json(changed=bool(diffs), diff=diffs)


def written(asked, check_mode):
    """Write the files that everybody may read, and remove those that aren't wanted any more. Return the diffs."""
    texts = {**asked["texts"], GATE: asked["gate"]}
    modes = {GATE: "0755"}
    files = [
        {"path": path, "content": text, "mode": modes.get(path, "0644"), "wanted": True, "given": True}
        for path, text in texts.items()
    ]
    gone = [path for path in standing(os.path.join(HOME, asked["name"])) if path not in texts]
    files += [
        {"path": path, "content": None, "mode": "0644", "wanted": False, "given": True} for path in gone
    ]
    return write_files(files, check_mode)


def standing(home):
    """Return the files of ours in an instance's folder."""
    paths = [os.path.join(folder, name) for folder, _, names in os.walk(home) for name in names]
    return sorted(path for path in paths if OURS.fullmatch(os.path.relpath(path, home)))


def former(name):
    """Return the key before the last change of it, None where none was kept."""
    return (read_text(os.path.join(HOME, name, FORMER)) or "").strip() or None


def keys(name, texts, given, check_mode):
    """Write the files with the key, and remove those of a way to give it that isn't used any more. Return the diffs."""
    home = os.path.join(HOME, name)
    own = os.path.join(home, "key")
    standing = read_text(own)
    key = given or (standing or "").strip() or secrets.token_urlsafe(KEY_BYTES)
    if not KEY_CHARACTERS.fullmatch(key):
        raise ValueError("the API key: eight characters at least, of letters, digits and ._~+/=-")
    wanted = {path: text.replace("{key}", key) for path, text in (texts or {}).items()}
    if given and standing and standing.strip() != given:
        wanted[os.path.join(home, FORMER)] = standing
    there = [os.path.join(home, each) for each in (os.listdir(home) if os.path.isdir(home) else ())]
    stale = [path for path in there if re.match(r"key(\.|$)", os.path.basename(path)) and path not in wanted]
    diffs = []
    for path, text in wanted.items():
        before = read_text(path)
        if before == text and os.stat(path).st_mode & 0o777 == 0o600 and not os.path.islink(path):
            continue
        # Neither text is shown: a diff goes to reports and logs.
        diffs.append(difference(path, "" if before is None else "another key, or mode\n", "the key\n"))
        if not check_mode:
            if os.path.islink(path):
                os.unlink(path)
            write_text(path, text, 0o600)
    for path in stale:
        diffs.append(difference(path, "a key\n", ""))
        if not check_mode:
            os.unlink(path)
    return diffs


def linked(name, weights, check_mode):
    """Let a link lead to the weights: what an audit counts. Return the diffs."""
    path = os.path.join(STATE_HOME, name, "weights")
    standing = os.readlink(path) if os.path.islink(path) else None
    if not weights or standing == weights:
        return []
    if not check_mode:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        if os.path.lexists(path + ".new"):
            os.unlink(path + ".new")
        os.symlink(weights, path + ".new")
        os.replace(path + ".new", path)
    return [difference(path, f"{standing or 'none'}\n", f"{weights}\n")]


def enabled(module, name, changed):
    """Let systemd read the unit and start it at boot. Return the diffs."""
    unit = Unit(module, name)
    if module.check_mode:
        return []
    (was, _), stale = unit.show()
    if changed or stale or not was:
        link_devices()
        unit.systemctl("daemon-reload")
    if not was:
        unit.systemctl("enable", name)
    return [] if was else [difference(name, "enabled False\n", "enabled True\n")]


if __name__ == "__main__":
    main()
