#!/usr/bin/python
"""Install packages, as a set of one version where they are tied to each other."""

from __future__ import annotations

import re

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.glmprov_apt import Apt, AptError
from ansible.module_utils.glmprov_choice import NotOfferedError, OtherBranchError, Wanted, matcher, request
from ansible.module_utils.glmprov_host import difference, link_devices, why
from ansible.module_utils.glmprov_kept import Kept, to_keep
from ansible.module_utils.glmprov_record import DamagedRecordError, remember

DOCUMENTATION = r"""
module: glmprov_packages
short_description: Install packages, as a set of one version where they are tied to each other
description:
  - Does nothing, and asks no package source, when all is as wanted.
  - With version or branch, everything that is tied to the packages by "(= version)" and everything
    installed that matches set moves together in one transaction, downwards too; apt alone refuses to take
    back one of them.
  - With foreign, a set that another source's packages are made of gives way to this source's in one transaction.
  - A transition to another branch than the wanted one is refused before anything is installed.
  - Keeps in /var/lib/glmprov/packages.json which packages it brought or moved, from which version, and its holds.
  - In check mode apt simulates. A package that its source would bring first is reported as to be installed.
options:
  packages:
    description:
      - Each with name, and unless, packages one of which makes it needless.
    type: list
    elements: dict
    required: true
  names:
    description: Further packages, by name.
    type: list
    elements: str
    default: []
  first:
    description: A package that has to be there before the versions of the others are chosen, such as a pin.
    type: str
    default: ""
  version:
    description: The upstream version wanted, "580.105.08".
    type: str
    default: ""
  branch:
    description: Without version, any version that begins so is right; the newest one is installed.
    type: str
    default: ""
  set:
    description: A regular expression for the names of the packages that belong together.
    type: str
    default: ""
  absent:
    description: A regular expression for the names of packages that these replace, in the same transaction.
    type: str
    default: ""
  hold:
    description: A regular expression for the names of the packages to put on hold, if they are installed.
    type: str
    default: ""
  family:
    description:
      - A regular expression for the names of all packages that leave with the set when it moves: those of which
        the installed versions are kept, and those that a rollback puts back or removes.
    type: str
    default: ""
  foreign:
    description:
      - A regular expression for "NAME VERSION" of packages of the family that are another source's. Where the set is
        made of them, they leave, but for those that the new packages need and their source has as well.
    type: str
    default: ""
  shared:
    description: A regular expression for the names of further packages that both sources have.
    type: str
    default: ""
  purge:
    description: A regular expression for the names of packages of which no settings may stay once they are removed.
    type: str
    default: ""
  keep:
    description: Keep the installed packages of the family before others replace them, or refuse to replace them.
    type: bool
    default: false
  rollback:
    description: Put the packages of version back from where they are kept, if they are, not from the sources.
    type: bool
    default: false
author: glmprov
"""

EXAMPLES = r"""
- name: Install the driver
  glmprov_packages:
    packages: [{name: nvidia-driver-cuda}, {name: nvidia-kernel-open-dkms}]
    version: 580.105.08
    set: ^(lib)?nvidia-
    hold: ^(lib)?nvidia-
"""

RETURN = r"""
installed:
  description: Versions of the packages, after the task.
  returned: always
  type: dict
"""


def install(module, apt, wanted, installed):
    """Install what is missing or of a wrong version, and return what is installed then, or would be.

    The package lists are read only if they don't know what is wanted, or what that needs.
    """
    if wanted.satisfied(installed):
        return installed
    try:
        asked = request(apt, wanted, installed)
        expected = simulated(installed, apt.install(*asked, simulate=True))
    except OtherBranchError:
        raise
    except AptError as error:
        if module.check_mode and isinstance(error, NotOfferedError):
            return {**installed, error.name: "(version known after the package lists are read)"}
        if module.check_mode:
            raise
        unread = apt.update()
        try:
            asked = request(apt, wanted, installed)
        except NotOfferedError as missing:
            raise AptError("\n".join([str(missing), *unread])) from None
        expected = foreseen(module, apt, asked, installed)
    for name in expected if wanted.branch else ():
        if name not in installed and wanted.other_branch(name):
            raise OtherBranchError(" ".join(asked), f"{name} {expected[name]}", wanted.branch)
    return carried_out(module, apt, asked, installed, expected)


def go_back(module, apt, wanted, installed):
    """Put the kept packages back in one transaction, and return what is installed then, or would be.

    The mark that a rollback holds is written first: a run that is cut off goes on with it.
    """
    kept = Kept(apt)
    packages, present = kept.record["packages"], wanted.family(apt.present())
    gone = [f"{name}-" for name in present if name not in packages]
    if not gone and all(installed.get(name) == version for name, version in packages.items()):
        return install(module, apt, Wanted(alone(*module.params["names"])), installed)
    asked = [*kept.files(), *gone]
    replaced = {n: v for n, v in present.items() if packages.get(n) != v and wanted.in_set(n)}
    if not module.check_mode:
        kept.going_back(replaced)
    after = carried_out(module, apt, asked, installed, foreseen(module, apt, asked, installed))
    return install(module, apt, Wanted(alone(*module.params["names"])), after)


def foreseen(module, apt, asked, installed):
    """Return what apt says would be installed; why it refuses, the installation says, unless it mends it."""
    try:
        return simulated(installed, apt.install(*asked, simulate=True))
    except AptError:
        if module.check_mode:
            raise
        return installed


def carried_out(module, apt, asked, installed, expected):
    """Install, and return what is installed then; in check mode, what is expected.

    What is going to be installed is entered first: what a run that is cut off has brought is known as ours.
    """
    if module.check_mode:
        return expected
    remember(installed, expected)
    link_devices()
    apt.install(*asked)
    after = apt.installed()
    remember(installed, after)
    return after


def simulated(installed, steps):
    """Given what is installed and apt's simulation, return what would be installed."""
    gone = set(re.findall(r"^(?:Remv|Purg) (\S+)", steps, re.MULTILINE))
    new = dict(re.findall(r"^Inst (\S+) (?:\[\S+\] )?\((\S+)", steps, re.MULTILINE))
    return {
        name: version for name, version in {**installed, **new}.items() if name not in gone or name in new
    }


def main():
    module = AnsibleModule(
        argument_spec={
            "packages": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "unless": {"type": "list", "elements": "str", "default": []},
                },
            },
            "names": {"type": "list", "elements": "str", "default": []},
            "first": {"type": "str", "default": ""},
            "version": {"type": "str", "default": ""},
            "branch": {"type": "str", "default": ""},
            "set": {"type": "str", "default": ""},
            "absent": {"type": "str", "default": ""},
            "hold": {"type": "str", "default": ""},
            "family": {"type": "str", "default": ""},
            "foreign": {"type": "str", "default": ""},
            "shared": {"type": "str", "default": ""},
            "purge": {"type": "str", "default": ""},
            "keep": {"type": "bool", "default": False},
            "rollback": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    apt, wanted, diffs = Apt(module), Wanted(module.params), []
    try:
        before = apt.installed()
        # A version that isn't the kept one is asked for where the rollback itself has to wait.
        back = module.params["rollback"] and Kept(apt).record.get("previous") == wanted.version
        after = (go_back if back else go_on)(module, apt, wanted, before)
        if after != before:
            diffs.append(difference("packages", listing(before, after), listing(after, before)))
        diffs += purged(module, apt)
        holds = {name for name in after if wanted.to_hold(name)} - apt.held()
        if holds:
            diffs.append(difference("hold", "", "".join(f"{name}\n" for name in sorted(holds))))
            if not module.check_mode:
                remember(after, after, holds)
                apt.hold(holds)
    except (AptError, DamagedRecordError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=why(error))
    names = wanted.names(after)
    module.exit_json(changed=bool(diffs), diff=diffs, installed={name: after.get(name) for name in names})


def purged(module, apt):
    """Remove what packages that are gone have left behind, a pin for one. Return the diffs."""
    left = sorted(filter(matcher(module.params["purge"]), apt.removed()))
    if left and not module.check_mode:
        apt.remove(*left, purge=True)
    return (
        [difference("settings of removed packages", "".join(f"{name}\n" for name in left), "")]
        if left
        else []
    )


def go_on(module, apt, wanted, before):
    """Install what the sources offer, and return what is installed then; keep what it replaces."""
    kept, keeps = Kept(apt), module.params["keep"] and not module.check_mode
    if keeps and wanted.leaves(before):
        kept.keep(to_keep(wanted, before, kept))
    after = install(module, apt, Wanted(alone(*filter(None, [module.params["first"]]))), before)
    after = install(module, apt, wanted, after)
    if keeps and after != before:
        kept.stash(wanted.family(after))
    return after


def alone(*names):
    """Return the parameters that ask for packages in any version."""
    return {"packages": [], "names": names, "version": "", "branch": "", "set": "", "absent": ""}


def listing(these, others):
    """Return the packages of these that others doesn't have in the same version, one a line."""
    return "".join(
        f"{name} {version}\n" for name, version in sorted(these.items()) if others.get(name) != version
    )


if __name__ == "__main__":
    main()
