"""Ansible's own programs, run to read an inventory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from glmprov.errors import InventoryError
from glmprov.inventory.complaints import MARKED, explain, marked
from glmprov.inventory.request import Request

TIMEOUT_SECONDS = 300
"""A dynamic inventory may ask a slow service; one that never answers must not hold us for ever."""

SETTINGS = {
    "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",  # a source that can't be parsed is an error, not a warning
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_FORCE_COLOR": "0",
    "ANSIBLE_DEPRECATION_WARNINGS": "0",
    "ANSIBLE_LOCALHOST_WARNING": "0",
    "ANSIBLE_VERBOSITY": "0",
    # What is resolved may be secret: no log file, no callback but the plain one that we read.
    "ANSIBLE_LOG_PATH": os.devnull,
    "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal",
    "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.minimal",
    "ANSIBLE_CALLBACK_PLUGINS": os.devnull,
    "ANSIBLE_RETRY_FILES_ENABLED": "0",
    "PYTHONWARNINGS": "ignore",
    "LC_ALL": "C.UTF-8",
}


def run(program: str, arguments: Sequence[str], request: Request) -> subprocess.CompletedProcess[str]:
    """Run one of Ansible's programs; a vault password goes by standard input, where there is no terminal."""
    try:
        # Ansible's own folder for what passes by is ~/.ansible/tmp, and a home may be read-only.
        with tempfile.TemporaryDirectory(prefix="glmprov-") as passing:
            return subprocess.run(
                [sys.executable, "-m", "ansible", program, *arguments, *request.arguments],
                input=f"{request.vault_password.reveal()}\n" if request.vault_password is not None else "",
                env={**os.environ, **SETTINGS, "ANSIBLE_LOCAL_TEMP": passing},
                cwd=request.cwd,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TIMEOUT_SECONDS,
                start_new_session=True,
                check=False,
            )
    except subprocess.TimeoutExpired as error:
        raise InventoryError(
            f"Ansible didn't read it within {TIMEOUT_SECONDS} s", place=request.named
        ) from error


def list_inventory(request: Request) -> dict[str, Any]:
    """Return the inventory as `ansible-inventory --list` prints it. Raise InventoryError with file and line."""
    limit = ["--limit", request.limit] if request.limit else []
    answer = run("inventory", ["--list", *limit], request)
    if answer.returncode:
        raise explain(answer.stderr, request)
    try:
        listed = json.loads(answer.stdout)
    except ValueError as error:
        raise InventoryError(
            "Ansible's answer isn't JSON: does a plug-in or script print on standard output?",
            place=request.named,
        ) from error
    assert isinstance(listed, dict)  # noqa: S101  # ansible-inventory --list prints one object
    if any(name.startswith("\ufeff") for name in told(listed)):
        raise next(filter(None, map(marked, request.sources)), InventoryError(MARKED))
    return listed


def told(mapping: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the hosts of a listed inventory with their variables, in the inventory's order."""
    variables = mapping.get("_meta", {}).get("hostvars", {})
    order: dict[str, None] = {}

    def walk(group: str, seen: frozenset[str]) -> None:
        entry = mapping.get(group, {})
        order.update(dict.fromkeys(entry.get("hosts", ())))
        for child in entry.get("children", ()):
            if child not in seen:
                walk(child, seen | {child})

    walk("all", frozenset({"all"}))
    order.update(dict.fromkeys(variables))
    return {name: variables.get(name, {}) for name in order}
