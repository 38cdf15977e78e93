"""Runs in Ansible: asks glmprov, over a socket, for the hosts of the next stage and their variables.

The answer is one JSON object by host: {"templates": …, "data": …}, variables whose text Ansible expands and such
whose text it must not. An end without an answer (glmprov was killed) leaves no hosts, so that Ansible ends too.
"""

from __future__ import annotations

import json
import os
import socket
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.template import trust_as_template

DOCUMENTATION = """
name: glmprov_stage
short_description: The hosts of the stage that glmprov applies next
description: Reads hosts and variables from the socket that glmprov listens on.
options: {}
"""


class InventoryModule(BaseInventoryPlugin):  # type: ignore[misc]  # Ansible has no types
    """The inventory as glmprov answers, each time that Ansible reads it."""

    NAME = "glmprov_stage"

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Take in what glmprov answers."""
        super().parse(inventory, loader, path, cache)
        try:
            hosts = json.loads(_answer(path))
        except (OSError, ValueError) as error:
            raise AnsibleParserError(f"glmprov gave no hosts: {error}") from error
        for host, variables in hosts.items():
            inventory.add_host(host)
            for name, value in (variables["data"] | _trusted(variables["templates"])).items():
                inventory.set_variable(host, name, value)


def _answer(path: str) -> bytes:
    """Return what glmprov says at its socket, reached by its folder's number: its path may be too long for a socket."""
    folder, name = os.path.split(path)
    number = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as glmprov:
            glmprov.connect(f"/proc/self/fd/{number}/{name}")
            return glmprov.makefile("rb").read()
    finally:
        os.close(number)


def _trusted(value: Any) -> Any:
    """Return a value with every text in it marked as one that may be a template."""
    if isinstance(value, str):
        return trust_as_template(value)
    if isinstance(value, dict):
        return {key: _trusted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_trusted(item) for item in value]
    return value
