#!/usr/bin/python
"""Take an apt source of ours away, once nothing on the host needs it."""

from __future__ import annotations

import hashlib
import os
import re

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.glmprov_apt import Apt, AptError
from ansible.module_utils.glmprov_host import difference, read_text, why
from ansible.module_utils.glmprov_record import DamagedRecordError, forget_sources, load

DOCUMENTATION = r"""
module: glmprov_repository_absent
short_description: Take an apt source of ours away, once nothing on the host needs it
description:
  - Takes away what glmprov_repository added, the source and its key. A source that somebody else defined, or a file of
    ours that somebody edited, stays.
  - A source that alone offers a version that is installed stays too, or its packages would get no updates.
options:
  name:
    description: The source is glmprov-NAME.sources, its key glmprov-NAME.asc.
    type: str
    required: true
  besides:
    description: A regular expression for the names of packages that don't count.
    type: str
    default: ""
author: glmprov
"""

EXAMPLES = r"""
- name: Take the driver's package source away
  glmprov_repository_absent:
    name: nvidia
    besides: ^(lib)?nvidia-
"""

RETURN = r"""
needed_by:
  description: The packages for which the source stays.
  returned: always
  type: list
"""


def is_as_we_wrote_it(path, recorded):
    text = read_text(path)
    return text is not None and hashlib.sha256(text.encode()).hexdigest() == recorded.get(path)


def needed_by(apt, source, besides):
    """Return the installed packages of which only this source offers the version that is installed."""
    counts = re.compile(besides).search if besides else lambda name: None
    installed = {name: version for name, version in apt.installed().items() if not counts(name)}
    offered = apt.offered_by(source)
    return sorted(
        name
        for name, version in installed.items()
        if version in offered.get(name, ()) and apt.sources_of(name, version) < 2
    )


def main():
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "besides": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    name = module.params["name"]
    source, keyring = (
        f"/etc/apt/sources.list.d/glmprov-{name}.sources",
        f"/etc/apt/keyrings/glmprov-{name}.asc",
    )
    try:
        recorded = load()["sources"]
        ours = [path for path in (source, keyring) if is_as_we_wrote_it(path, recorded)]
        needing = needed_by(Apt(module), source, module.params["besides"]) if source in ours else []
        # Without its key a source stops apt: a source that was edited keeps it.
        gone = [] if needing or (source not in ours and os.path.exists(source)) else ours
        if gone and not module.check_mode:
            for path in gone:
                os.unlink(path)
            forget_sources(gone)
    except (AptError, DamagedRecordError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=why(error))
    diff = [difference(path, "written by glmprov\n", "") for path in gone]
    module.exit_json(changed=bool(gone), diff=diff, needed_by=needing)


if __name__ == "__main__":
    main()
