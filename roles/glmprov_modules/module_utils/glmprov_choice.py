"""Which packages in which versions are to be asked of apt, so that what is tied together moves together."""

from __future__ import annotations

import re

from ansible.module_utils.glmprov_apt import AptError, upstream


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
        self.is_foreign = matcher(parameters.get("foreign"))
        self.is_shared = matcher(parameters.get("shared"))

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

    def foreign(self, packages):
        """Return those of the family, and of what both sources have, that are another source's."""
        return {
            name: version
            for name, version in packages.items()
            if (self.of_family(name) or self.is_shared(name)) and self.is_foreign(f"{name} {version}")
        }

    def changes_source(self, packages):
        """Tell whether the set among the packages is another source's; some may have the same names in both."""
        members = self.members(packages)
        return 2 * len(self.foreign({name: packages[name] for name in members})) > len(members)

    def leaves(self, installed):
        """Tell whether other packages take the places of those of the set that is there."""
        return self.moves(installed) or self.changes_source(installed)

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
    foreign = wanted.foreign(installed) if wanted.changes_source(installed) else {}
    for name in wanted.members(installed):
        if name in foreign:
            continue
        same = [version for version in apt.versions(name) if version in asked.values()]
        if same:
            asked.setdefault(name, same[0])
    add_tied(apt, asked)
    replaced = with_shared(apt, wanted, foreign, asked)
    fit_modules(apt, wanted, installed, asked)
    gone = sorted(
        {name for name in installed if wanted.unwanted(name)}
        | replaced
        | set(left_behind(wanted, installed, asked))
    )
    return [f"{name}={version}" if version else name for name, version in asked.items()] + [
        f"{n}-" for n in gone
    ]


def left_behind(wanted, installed, asked):
    """Yield the packages of another branch that stay behind when the set moves: other names took their places."""
    if not wanted.versioned:
        return
    members = set(wanted.members(installed))
    for name, version in installed.items():
        stale = name in members and not wanted.right(version)
        if name not in asked and (stale or (wanted.of_family(name) and wanted.other_branch(name))):
            yield name


def with_shared(apt, wanted, foreign, asked):
    """Add to what is asked for the new source's own of what it needs and both sources have. Return what leaves."""
    needed = {other for name, version in asked.items() if version for other in apt.needs(name, version)}
    for name in needed & set(foreign) - set(asked):
        own = [version for version in apt.versions(name) if not wanted.is_foreign(f"{name} {version}")]
        if own:
            asked[name] = next((version for version in own if version in asked.values()), own[0])
    return set(foreign) - needed - set(asked)


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


def fit_modules(apt, wanted, installed, asked):
    """Choose prebuilt modules by the driver: Ubuntu builds them for one version, and numbers them by the kernel's."""
    for name in wanted.names(installed):
        if wanted.in_set(name) or not BRANCH.search(name):
            continue
        offered = [version for version in (installed.get(name), *apt.versions(name)) if version]
        choice = next((version for version in offered if apt.admits(name, version, asked)), None)
        if choice and choice != installed.get(name):
            asked[name] = choice


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
