"""What our modules did to a host's packages, kept on the host so that it can be taken back."""

from __future__ import annotations

import json
import os

from ansible.module_utils.glmprov_host import read_text, write_text

PATH = "/var/lib/glmprov/packages.json"


class DamagedRecordError(Exception):
    """The record isn't what we wrote: nobody knows what was ours."""


def load(path=PATH):
    """Return {"packages": {name: version before us, None if absent}, "holds": [names]}."""
    text = read_text(path)
    try:
        record = json.loads(text) if text else {}
        return {"packages": dict(record.get("packages", {})), "holds": list(record.get("holds", []))}
    except (ValueError, TypeError, AttributeError) as error:
        raise DamagedRecordError(f"{path}: {error}. Mend it, or move it away to begin a new one.") from None


def remember(before, after, held=(), path=PATH):
    """Enter what packages are to be, or are, after instead of before, and holds of ours.

    A package keeps the version that it had before the first time; one that is as it was then is forgotten.
    """
    known = load(path)
    changed = {name: before.get(name) for name in {*before, *after} if before.get(name) != after.get(name)}
    packages = {**changed, **known["packages"]}
    record = {
        "packages": {name: old for name, old in sorted(packages.items()) if after.get(name) != old},
        "holds": sorted({*known["holds"], *held} & set(after)),
    }
    if record != known:
        write_text(path, json.dumps(record, indent=1) + "\n")


def forget(after, packages, holds, path=PATH):
    """Take out the packages that are as they were before, and holds that were taken off."""
    known = load(path)
    left = {
        "packages": {
            name: old
            for name, old in known["packages"].items()
            if name not in packages or after.get(name) != old
        },
        "holds": [name for name in known["holds"] if name not in holds and name in after],
    }
    if left == known:
        return
    if any(left.values()):
        write_text(path, json.dumps(left, indent=1) + "\n")
    elif os.path.exists(path):
        os.unlink(path)
