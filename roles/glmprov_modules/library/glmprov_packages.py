#!/usr/bin/python
"""Install packages, as a set of one version where they are tied to each other."""

from __future__ import annotations

import re

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.glmprov_apt import Apt, AptError, upstream
from ansible.module_utils.glmprov_host import difference, link_devices
from ansible.module_utils.glmprov_kept import Kept, version_of
from ansible.module_utils.glmprov_record import DamagedRecordError, remember

DOCUMENTATION = r"""
module: glmprov_packages
short_description: Install packages, as a set of one version where they are tied to each other
description:
  - Does nothing, and asks no package source, when all is as wanted.
  - With version or branch, everything that is tied to the packages by "(= version)" and everything
    installed that matches set moves together in one transaction, downwards too; apt alone refuses to take
    back one of them.
  - Keeps in /var/lib/glmprov/packages.json which packages it brought or moved, from which version, and its holds.
  - A transition to another branch than the wanted one is refused before anything is installed.
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
  keep:
    description: Keep the installed packages of the family before others replace them, or refuse to replace them.
    type: bool
    default: false
  rollback:
    description: Put the kept packages of version back instead of what the sources offer.
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


def matcher(pattern):
    """Return a function that tells whether a name matches; no pattern matches nothing."""
    return re.compile(pattern).search if pattern else lambda name: None


class Wanted:
    """What the task asks for, and whether a version is right."""

    def __init__(self, parameters):
        further = [{"name": name, "unless": []} for name in parameters.get("names") or ()]
        self.packages = [*parameters["packages"], *further]
        self.version = parameters["version"]
        self.branch = parameters["branch"]
        self.in_set = matcher(parameters["set"])
        self.unwanted = matcher(parameters["absent"])
        self.to_hold = matcher(parameters.get("hold"))
        self.of_family = matcher(parameters.get("family"))

    @property
    def versioned(self):
        return bool(self.version or self.branch)

    def right(self, version):
        if self.version:
            return upstream(version) == self.version
        return upstream(version).startswith(self.branch + ".")

    def names(self, installed):
        """Return the names that are to be there: without those that an alternative makes needless."""
        return [
            p["name"] for p in self.packages if not any(other in installed for other in p["unless"] or [])
        ]

    def members(self, installed):
        """Return the installed packages of the set whose versions follow the driver's."""
        return [
            name
            for name, version in installed.items()
            if self.in_set(name) and not self.unwanted(name) and re.match(r"\d{3}\.", upstream(version))
        ]

    def family(self, packages):
        """Return those of the packages that leave with the set."""
        return {name: version for name, version in packages.items() if self.of_family(name)}

    def moves(self, installed):
        """Tell whether the set is there in another version than the wanted one."""
        return self.versioned and any(not self.right(installed[name]) for name in self.members(installed))

    def other_branch(self, name):
        """Return the branch in a package's name where it isn't the wanted one, "" else."""
        found = BRANCH.search(name)
        return found[1] if found and found[1] != (self.branch or self.version.partition(".")[0]) else ""

    def satisfied(self, installed):
        names = self.names(installed)
        if not all(name in installed for name in names) or any(self.unwanted(name) for name in installed):
            return False
        if not self.versioned:
            return True
        tied = [name for name in names if self.in_set(name)] + self.members(installed)
        return (
            all(self.right(installed[name]) for name in tied)
            and len({upstream(installed[n]) for n in tied}) == 1
        )


BRANCH = re.compile(r"nvidia\S*?-(\d{3})(?=-|$)")
"""A driver branch in a package's name."""


class OtherBranchError(AptError):
    """What is asked for would bring another branch."""

    def __init__(self, name, other, branch):
        super().__init__(
            f"{name} would install {other}, another branch: its source has made branch {branch} a transition to the "
            f"next one. Nothing was changed. Order the branch that is wanted (gpu_driver_branch), or take {branch} "
            "from another gpu_driver_source."
        )


class NotOfferedError(AptError):
    """No package source has a package in a right version."""

    def __init__(self, name, version, offered):
        some = f"version wanted: {version}, offered: {', '.join(offered[:6])}"
        super().__init__(f"{name}: {some if offered else 'no package source offers it'}")
        self.name = name


def request(apt, wanted, installed):
    """Return what to ask apt for: names, and for all that is tied together the exact version."""
    asked = {}
    for name in wanted.names(installed) if wanted.branch else ():
        refuse_transition(apt, wanted, name)
    for name in wanted.names(installed):
        exact = wanted.versioned and wanted.in_set(name)
        if name in installed and not exact:
            continue
        offered = apt.versions(name)
        choice = [version for version in offered if wanted.right(version)] if exact else offered
        if not choice:
            raise NotOfferedError(name, wanted.version or f"{wanted.branch}.*" if exact else "any", offered)
        asked[name] = choice[0] if exact else None
    for name in wanted.members(installed):
        same = [version for version in apt.versions(name) if version in asked.values()]
        if same:
            asked.setdefault(name, same[0])
    add_tied(apt, asked)
    gone = [f"{name}-" for name in installed if wanted.unwanted(name)]
    return [f"{name}={version}" if version else name for name, version in asked.items()] + gone


def refuse_transition(apt, wanted, name):
    """Refuse a package of the wanted branch that depends on its namesake of another one."""
    branch = BRANCH.search(name)
    if not branch or wanted.other_branch(name):
        return
    stem = name.split(branch[1])
    for version in apt.versions(name)[:1]:
        for other in apt.needs(name, version):
            if wanted.other_branch(other) and other.split(BRANCH.search(other)[1]) == stem:
                raise OtherBranchError(f"{name} {version}", other, branch[1])


def add_tied(apt, asked):
    """Add all that is reached by "(= version)": apt picks its own favorite for those otherwise."""
    queue = [name for name, version in asked.items() if version]
    while queue:
        name = queue.pop()
        for alternatives in apt.depends(name, asked[name]):
            if any(other in asked for other, _ in alternatives):
                continue
            offered = [(other, version) for other, version in alternatives if version in apt.versions(other)]
            for other, version in offered[:1]:
                asked[other] = version
                queue.append(other)


def install(module, apt, wanted, installed):
    """Install what is missing or of a wrong version, and return what is installed then, or would be.

    The package lists are read only if they don't know what is wanted.
    """
    if wanted.satisfied(installed):
        return installed
    try:
        asked = request(apt, wanted, installed)
    except NotOfferedError as error:
        if module.check_mode:
            return {**installed, error.name: "(version known after the package lists are read)"}
        apt.update()
        asked = request(apt, wanted, installed)
    after = simulated(installed, apt.install(*asked, simulate=True))
    for name in after if wanted.branch else ():
        if name not in installed and wanted.other_branch(name):
            raise OtherBranchError(" ".join(asked), f"{name} {after[name]}", wanted.branch)
    if module.check_mode:
        return after
    remember(installed, after)  # before it happens: what a run that is cut off has brought is known as ours
    link_devices()
    apt.install(*asked)
    after = apt.installed()
    remember(installed, after)
    return after


def go_back(module, apt, wanted, installed):
    """Put the kept packages back in one transaction, and return what is installed then, or would be.

    The mark that a rollback holds is written first: a run that is cut off goes on with it.
    """
    kept = Kept(apt)
    if kept.record.get("previous") != wanted.version:
        raise AptError(f"no packages of driver {wanted.version} are kept on this host ({kept.folder})")
    packages, present = kept.record["packages"], wanted.family(apt.present())
    gone = [f"{name}-" for name in present if name not in packages]
    if not gone and all(installed.get(name) == version for name, version in packages.items()):
        return installed
    asked = [*kept.files(), *gone]
    if module.check_mode:
        return simulated(installed, apt.install(*asked, simulate=True))
    replaced = {n: v for n, v in present.items() if packages.get(n) != v and wanted.in_set(n)}
    kept.going_back(version_of(replaced) if replaced else kept.record.get("rolled_back_from"))
    remember(installed, simulated(installed, apt.install(*asked, simulate=True)))
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
            "keep": {"type": "bool", "default": False},
            "rollback": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    apt, wanted, diffs = Apt(module), Wanted(module.params), []
    try:
        before = apt.installed()
        after = (go_back if module.params["rollback"] else go_on)(module, apt, wanted, before)
        if after != before:
            diffs.append(difference("packages", listing(before, after), listing(after, before)))
        holds = {name for name in after if wanted.to_hold(name)} - apt.held()
        if holds:
            diffs.append(difference("hold", "", "".join(f"{name}\n" for name in sorted(holds))))
            if not module.check_mode:
                remember(after, after, holds)
                apt.hold(holds)
    except (AptError, DamagedRecordError) as error:
        module.fail_json(msg=str(error))
    names = wanted.names(after)
    module.exit_json(changed=bool(diffs), diff=diffs, installed={name: after.get(name) for name in names})


def go_on(module, apt, wanted, before):
    """Install what the sources offer, and return what is installed then; keep what it replaces."""
    kept, keeps = Kept(apt), module.params["keep"] and not module.check_mode
    if keeps and wanted.moves(before):
        kept.keep(wanted.family(before))
    after = install(module, apt, Wanted(alone(module.params["first"])), before)
    after = install(module, apt, wanted, after)
    if keeps and after != before:
        kept.stash(wanted.family(after))
    return after


def alone(name):
    """Return the parameters that ask for one package in any version, or for nothing."""
    packages = [{"name": name, "unless": []}] if name else []
    return {"packages": packages, "version": "", "branch": "", "set": "", "absent": ""}


def listing(these, others):
    """Return the packages of these that others doesn't have in the same version, one a line."""
    return "".join(
        f"{name} {version}\n" for name, version in sorted(these.items()) if others.get(name) != version
    )


if __name__ == "__main__":
    main()
