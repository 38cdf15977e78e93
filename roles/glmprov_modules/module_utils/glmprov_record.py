"""What our modules did to a host's packages, kept on the host so that it can be taken back."""

from __future__ import annotations

import hashlib
import json
import os

from ansible.module_utils.glmprov_host import read_text, write_text

PATH = "/var/lib/glmprov/packages.json"


class DamagedRecordError(Exception):
    """The record isn't what we wrote: nobody knows what was ours."""


def load(path=PATH):
    """Return what is recorded.

    packages are by name the version before us, None if absent; holds are names; sources are package sources and their
    keys, by path with their sums.
    """
    text = read_text(path)
    try:
        record = json.loads(text) if text else {}
        return {
            "packages": dict(record.get("packages", {})),
            "holds": list(record.get("holds", [])),
            "sources": dict(record.get("sources", {})),
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise DamagedRecordError(f"{path}: {error}. Mend it, or move it away to begin a new one.") from None


def remember(before, after, held=(), path=PATH):
    """Enter what packages are to be, or are, after instead of before, and holds of ours.

    A package keeps the version that it had before the first time; one that is as it was then is forgotten.
    """
    known = load(path)
    changed = {name: before.get(name) for name in {*before, *after} if before.get(name) != after.get(name)}
    packages = {**changed, **known["packages"]}
    packages = {name: old for name, old in sorted(packages.items()) if after.get(name) != old}
    save(known, {**known, "packages": packages, "holds": sorted({*known["holds"], *held} & set(after))}, path)


def remember_sources(files, path=PATH):
    """Enter files of package sources, {path: text}."""
    known = load(path)
    sums = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
    save(known, {**known, "sources": {**known["sources"], **sums}}, path)


def forget(after, packages, holds, path=PATH):
    """Take out the packages that are as they were before, and holds that were taken off."""
    known = load(path)
    left = {
        name: old for name, old in known["packages"].items() if name not in packages or after.get(name) != old
    }
    held = [name for name in known["holds"] if name not in holds and name in after]
    save(known, {**known, "packages": left, "holds": held}, path)


def forget_sources(paths, path=PATH):
    """Take out package sources that are gone."""
    known = load(path)
    left = {name: digest for name, digest in known["sources"].items() if name not in paths}
    save(known, {**known, "sources": left}, path)


def save(known, record, path):
    """Put the record on disk if it says something new; one that says nothing is removed."""
    if record == known:
        return
    if any(record.values()):
        write_text(path, json.dumps(record, indent=1) + "\n")
    elif os.path.exists(path):
        os.unlink(path)
