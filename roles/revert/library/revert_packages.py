#!/usr/bin/python
"""Take back what provisioning did to packages: holds, packages that it brought, versions that it changed."""

from __future__ import annotations

import contextlib
import os
import re
import shutil

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.glmprov_apt import Apt, AptError
from ansible.module_utils.glmprov_host import difference, link_devices
from ansible.module_utils.glmprov_kept import FOLDER, Kept
from ansible.module_utils.glmprov_record import DamagedRecordError, forget, load

DOCUMENTATION = r"""
module: revert_packages
short_description: Take back what provisioning did to packages
description:
  - Takes the holds off, removes packages that were absent before with their settings, and brings others back to the
    version that they had. Packages that were installed since and need one of them stop it.
  - What an engine keeps in /var/lib/docker, images and volumes, stays.
options:
  packages:
    description: The version from before by name, null for a package that was absent.
    type: dict
    default: {}
  holds:
    description: Packages to take off hold.
    type: list
    elements: str
    default: []
author: glmprov
"""

EXAMPLES = r"""
- name: Remove the toolkit
  revert_packages:
    packages: {nvidia-container-toolkit: null}
    holds: [nvidia-driver-cuda]
"""

NUKE = "/var/lib/docker/nuke-graph-directory.sh"
ENGINES = {"docker.io", "docker-ce"}
ENGINE_KEY = "/etc/docker/key.json"


def foreign(steps, going):
    """Given apt's simulation, return the packages that would go and aren't ours."""
    return sorted(set(re.findall(r"^(?:Remv|Purg) (\S+)", steps, re.MULTILINE)) - set(going))


def take_back(module, apt, installed, packages):
    """Remove and bring back packages. Return what is installed then, or would be."""
    going = [name for name, before in packages.items() if before is None and name in installed]
    moved = {name: before for name, before in packages.items() if before and installed.get(name) != before}
    if going:
        others = foreign(apt.remove(*going, simulate=True), going)
        if others:
            module.fail_json(
                msg=f"{', '.join(others)} came since and would go too: remove them first, or leave the packages"
            )
    asked = exact(Kept(apt), moved)
    if moved:
        apt.install(*asked, simulate=True)
    if module.check_mode:
        left = {name: version for name, version in installed.items() if name not in going}
        return {**left, **moved}
    link_devices()
    if going:
        remove(apt, going)
    if moved:
        apt.install(*asked)
    return apt.installed()


def exact(kept, packages):
    """Return what to ask apt for: the package that is kept on the host, else its version from a source."""
    known = kept.record.get("packages", {})
    files = {}
    with contextlib.suppress(AptError):
        files = dict(zip(sorted(known), kept.files(), strict=True)) if known else {}
    return [
        files[name] if name in files and known[name] == version else f"{name}={version}"
        for name, version in packages.items()
    ]


def remove(apt, names):
    """Remove packages with their settings, but not the images and volumes of an engine.

    Debian's docker.io removes those when it is purged, by a script that it puts there when it is removed.
    """
    engine = ENGINES & set(names)
    apt.remove(*names)
    if engine and os.path.exists(NUKE):
        os.unlink(NUKE)
    apt.remove(*names, purge=True)
    if engine and os.path.exists(ENGINE_KEY):  # the daemon made it
        os.unlink(ENGINE_KEY)
        if not os.listdir(os.path.dirname(ENGINE_KEY)):
            os.rmdir(os.path.dirname(ENGINE_KEY))


def main():
    module = AnsibleModule(
        argument_spec={
            "packages": {"type": "dict", "default": {}},
            "holds": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    apt, diffs = Apt(module), []
    try:
        holds = sorted(set(module.params["holds"]) & apt.held())
        if holds:
            diffs.append(difference("hold", "".join(f"{name}\n" for name in holds), ""))
        if holds and not module.check_mode:
            apt.unhold(holds)
        before = apt.installed()
        after = take_back(module, apt, before, module.params["packages"])
        if after != before:
            diffs.append(difference("packages", listing(before, after), listing(after, before)))
        if not module.check_mode:
            forget(after, module.params["packages"], module.params["holds"])
            if module.params["packages"] and not load()["packages"]:
                shutil.rmtree(FOLDER, ignore_errors=True)
    except (AptError, DamagedRecordError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(diffs), diff=diffs)


def listing(these, others):
    """Return the packages of these that others doesn't have in the same version, one a line."""
    return "".join(
        f"{name} {version}\n" for name, version in sorted(these.items()) if others.get(name) != version
    )


if __name__ == "__main__":
    main()
