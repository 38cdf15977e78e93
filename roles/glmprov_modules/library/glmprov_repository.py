#!/usr/bin/python
"""Add an apt source whose key has the fingerprint that we expect."""

from __future__ import annotations

import glob
import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.glmprov_apt import Apt, AptError
from ansible.module_utils.glmprov_host import file_change, read_text, why, write_text
from ansible.module_utils.glmprov_openpgp import NotAKeyError, primary_fingerprints
from ansible.module_utils.glmprov_record import DamagedRecordError, remember_sources
from ansible.module_utils.urls import fetch_url

DOCUMENTATION = r"""
module: glmprov_repository
short_description: Add an apt source whose key is verified by its full fingerprint
description:
  - The key is fetched, compared, and only then trusted, for this source alone (Signed-By).
  - A source that somebody has already set up with the same address is used as it is. Two definitions with
    different keyrings would stop apt altogether.
  - If the new source can't be read, it is taken away again, so that apt keeps working.
options:
  name:
    description: The source becomes glmprov-NAME.sources, the key glmprov-NAME.asc.
    type: str
    required: true
  url:
    description: The address of a flat repository, the folder that holds its Packages.
    type: str
    required: true
  key_url:
    description: Where the public key is.
    type: str
    required: true
  key_fingerprint:
    description: The full fingerprint of its only primary key, 40 hex digits; spaces don't matter.
    type: str
    required: true
author: glmprov
"""

EXAMPLES = r"""
- name: Add the driver's package source
  glmprov_repository:
    name: nvidia
    url: https://developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64/
    key_url: https://developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64/3bf863cc.pub
    key_fingerprint: EB693B3035CD5710E231E123A4B469963BF863CC
"""

RETURN = r"""
source:
  description: The file that defines the source, ours or the one that was there.
  returned: always
  type: str
"""

SOURCES = "/etc/apt/sources.list.d"
KEYRINGS = "/etc/apt/keyrings"
KEY_LIMIT_BYTES = 1 << 17


def elsewhere(url, ours):
    """Return the file other than ours that defines a source with this address, None if there is none."""
    for path in [
        "/etc/apt/sources.list",
        *sorted(glob.glob(SOURCES + "/*.list") + glob.glob(SOURCES + "/*.sources")),
    ]:
        if path != ours and defines(read_text(path) or "", url):
            return path
    return None


def defines(text, url):
    """Tell whether a sources file, in either format, names this address outside its comments."""
    wanted = url.rstrip("/")
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if words and words[0] in ("deb", "URIs:") and wanted in [word.rstrip("/") for word in words]:
            return True
    return False


def expected_key(module, path):
    """Return the text of the key with the expected fingerprint: the one at path, else a fetched one."""
    wanted = module.params["key_fingerprint"].replace(" ", "").upper()
    text = read_text(path)
    if text is not None and matches(text.encode(), wanted):
        return text
    url = module.params["key_url"]
    response, info = fetch_url(module, url, timeout=30)
    if response is None or info["status"] != 200:
        module.fail_json(msg=f"{url}: the package source's key can't be fetched: {info['msg']}")
    data = response.read(KEY_LIMIT_BYTES)
    try:
        found = primary_fingerprints(data)
    except NotAKeyError as error:
        module.fail_json(msg=f"{url}: {error}")
    if found != [wanted]:
        module.fail_json(
            msg=f"{url}: the key has the fingerprint {', '.join(found)}, expected is {wanted}. "
            "Nothing was trusted. If the publisher changed its key, check the new one with them and set it."
        )
    try:
        return data.decode("ascii")
    except UnicodeDecodeError:
        module.fail_json(msg=f"{url}: the key isn't armored")


def matches(data, wanted):
    try:
        return primary_fingerprints(data) == [wanted]
    except NotAKeyError:
        return False


def main():
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "url": {"type": "str", "required": True},
            "key_url": {"type": "str", "required": True},
            "key_fingerprint": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    source = f"{SOURCES}/glmprov-{module.params['name']}.sources"
    keyring = f"{KEYRINGS}/glmprov-{module.params['name']}.asc"
    url = module.params["url"]
    theirs = elsewhere(url, source)
    if theirs:
        module.exit_json(changed=False, source=theirs, msg=f"{theirs} has this source already")
    files = {
        keyring: expected_key(module, keyring),
        source: f"Types: deb\nURIs: {url.rstrip('/')}/\nSuites: /\nSigned-By: {keyring}\n",
    }
    try:
        diffs = [diff for diff in (file_change(path, text, 0o644) for path, text in files.items()) if diff]
        if diffs and not module.check_mode:
            add(module, source, files)
    except DamagedRecordError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=why(error))
    module.exit_json(changed=bool(diffs), diff=diffs, source=source)


def add(module, source, files):
    """Write key and source and read the source's lists. If that fails, put back what was there."""
    before = {path: read_text(path) for path in files}
    remember_sources(files)
    for path, text in files.items():
        write_text(path, text)
    try:
        Apt(module).update(source)
    except AptError as error:
        for path, text in before.items():
            put_back(path, text)
        url = module.params["url"]
        module.fail_json(msg=f"{url}: the package source can't be read, it was taken away again\n{error}")


def put_back(path, text):
    if text is None:
        os.unlink(path)
    else:
        write_text(path, text)


if __name__ == "__main__":
    main()
