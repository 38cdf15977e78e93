"""What ansible.cfg and Ansible's environment say about reaching hosts, below the command line and the inventory."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from glmprov.errors import InventoryError
from glmprov.inventory.location import config_file, config_value
from glmprov.remote import ConnectOptions
from glmprov.remote.become import truth

SOURCES = {
    "user": ("ANSIBLE_REMOTE_USER", "defaults", "remote_user"),
    "private_key": ("ANSIBLE_PRIVATE_KEY_FILE", "defaults", "private_key_file"),
    "become": ("ANSIBLE_BECOME", "privilege_escalation", "become"),
    "connect_seconds": ("ANSIBLE_TIMEOUT", "defaults", "timeout"),
    "ssh_args": ("ANSIBLE_SSH_ARGS", "ssh_connection", "ssh_args"),
    "ssh_common_args": ("ANSIBLE_SSH_COMMON_ARGS", "ssh_connection", "ssh_common_args"),
    "ssh_extra_args": ("ANSIBLE_SSH_EXTRA_ARGS", "ssh_connection", "ssh_extra_args"),
}
"""Where Ansible keeps each: environment variable, then section and key of ansible.cfg."""


def with_ansible_defaults(options: ConnectOptions, cwd: Path, environ: Mapping[str, str]) -> ConnectOptions:
    """Return options with the gaps filled as Ansible would. Raise InventoryError if ansible.cfg makes no sense."""
    config = config_file(cwd, environ)
    said = {name: _said(name, config, environ) for name in SOURCES}
    key = said["private_key"]
    if key and config and not environ.get("ANSIBLE_PRIVATE_KEY_FILE"):
        key = str(config.parent / Path(key).expanduser())
    default_seconds = ConnectOptions().connect_seconds
    try:
        seconds = float(said["connect_seconds"] or default_seconds)
        words = tuple(
            word
            for name in ("ssh_args", "ssh_common_args", "ssh_extra_args")
            for word in shlex.split(said[name] or "")
        )
    except ValueError as error:
        raise InventoryError(str(error), place=str(config or "Ansible's environment")) from error
    return replace(
        options,
        user=options.user or said["user"],
        private_key=options.private_key or key,
        become=options.become or truth(said["become"] or False),
        connect_seconds=seconds if options.connect_seconds == default_seconds else options.connect_seconds,
        ssh_arguments=(*options.ssh_arguments, *words),
    )


def _said(name: str, config: Path | None, environ: Mapping[str, str]) -> str | None:
    variable, section, key = SOURCES[name]
    return environ.get(variable) or (config_value(config, section, key) if config else None)
