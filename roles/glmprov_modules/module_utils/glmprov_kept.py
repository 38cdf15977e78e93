"""The packages of the driver before, kept on the host so that there is a way back without any package source."""

from __future__ import annotations

import glob
import json
import os
import re
import shutil
from collections import Counter

from ansible.module_utils.glmprov_apt import AptError, upstream
from ansible.module_utils.glmprov_choice import BRANCH
from ansible.module_utils.glmprov_host import read_text, write_text

FOLDER = "/var/lib/glmprov/driver"
ARCHIVES = "/var/cache/apt/archives"


class Kept:
    """What lies in the folder: a directory of packages for each version, and kept.json that says what is in them.

    kept.json: previous is the version to go back to, packages its packages with their versions; rolled_back_from is
    the version that was left when somebody went back, left the packages that it was made of.
    """

    def __init__(self, apt, folder=FOLDER, archives=ARCHIVES):
        self.apt = apt
        self.folder = folder
        self.archives = archives

    @property
    def record(self):
        """What kept.json says, {} if there is none that can be read."""
        try:
            record = json.loads(read_text(self._path("kept.json")) or "{}")
        except ValueError:
            return {}
        return record if isinstance(record, dict) else {}

    def _path(self, *names):
        return os.path.join(self.folder, *names)

    def recorded(self, version):
        """Return the packages that are kept of a version, {} if it isn't the one to go back to."""
        record = self.record
        return dict(record.get("packages", {})) if record.get("previous") == version else {}

    def keep(self, packages):
        """Keep these packages, name to version, before others replace them.

        What isn't in apt's cache any more is downloaded; raise AptError, with the names, if the source has moved on.
        """
        version = version_of(packages)
        packages = {name: exact for name, exact in packages.items() if goes_with(version, name, exact)}
        missing = self._collect(version, packages)
        for name in missing:
            self.apt.download(name, packages[name], self._path(version))
        missing = self._collect(version, packages)
        if missing:
            some = ", ".join(f"{name} {packages[name]}" for name in sorted(missing))
            raise AptError(
                f"there would be no way back from this upgrade: neither apt's cache nor a package source has {some}.\n"
                "Set gpu_driver_keep_previous: false to do it all the same."
            )
        self._write({"previous": version, "packages": packages, "rolled_back_from": None, "left": {}})

    def stash(self, packages):
        """Keep what apt's cache has of the packages that are installed now: the source may drop them one day.

        Packages of other versions than these and the previous ones are removed.
        """
        version = version_of(packages)
        self._collect(version, packages)
        for name in os.listdir(self.folder):
            if os.path.isdir(self._path(name)) and name not in (version, self.record.get("previous")):
                shutil.rmtree(self._path(name))

    def files(self):
        """Return the kept packages' files. Raise AptError if one is gone."""
        record = self.record
        found = {
            name: self._file(record["previous"], name, version)
            for name, version in record["packages"].items()
        }
        gone = sorted(name for name, path in found.items() if path is None)
        if gone:
            raise AptError(f"{self._path(record['previous'])}: {', '.join(gone)} is no longer there")
        return [found[name] for name in sorted(found)]

    def going_back(self, left):
        """Write down which packages are gone back from, so that no later run goes forward again unasked.

        Where none are left, an earlier run has written it.
        """
        if left:
            self._write({**self.record, "rolled_back_from": version_of(left), "left": left})

    def _write(self, record):
        write_text(self._path("kept.json"), json.dumps(record, indent=1, sort_keys=True) + "\n")

    def _collect(self, version, packages):
        """Link the packages' files from apt's cache, which costs no space. Return the names of those not found."""
        os.makedirs(self._path(version), mode=0o755, exist_ok=True)
        missing = []
        for name, exact in packages.items():
            if self._file(version, name, exact):
                continue
            cached = glob.glob(os.path.join(self.archives, pattern(name, exact)))
            if cached:
                place(cached[0], self._path(version, os.path.basename(cached[0])))
            else:
                missing.append(name)
        return missing

    def _file(self, version, name, exact):
        return next(iter(glob.glob(self._path(version, pattern(name, exact)))), None)


def pattern(name, version):
    """Return the pattern of a package's file name, as apt writes it."""
    return f"{name}_{glob.escape(version.replace(':', '%3a'))}_*.deb"


def place(source, target):
    """Link a file, or copy it where the folder is on another file system; whole or not at all."""
    partial = target + ".partial"
    try:
        os.link(source, partial)
    except OSError:
        shutil.copyfile(source, partial)
    os.replace(partial, target)


def to_keep(wanted, before, kept):
    """Return the packages that there is to go back to: those that are there.

    A move that was cut off has replaced some of them; which there were is recorded.
    """
    changes = wanted.changes_source(before)
    foreign = wanted.foreign(before) if changes else {}
    packages = {**wanted.family(before), **foreign}
    recorded = kept.recorded(version_of(packages))
    if not recorded or wanted.changes_source(recorded) != changes:
        return packages
    return {**(foreign if changes else packages), **recorded}


def goes_with(version, name, exact):
    """Tell whether a package is of this driver version: an upgrade that was cut off leaves others beside it."""
    branch = BRANCH.search(name)
    of_a_driver = re.match(r"\d{3}\.\d", upstream(exact))
    return not (branch and branch[1] != version.partition(".")[0]) and not (
        of_a_driver and upstream(exact) != version
    )


def version_of(packages):
    """Return the driver's version: the one that most of its packages have."""
    return Counter(upstream(version) for version in packages.values()).most_common(1)[0][0]
