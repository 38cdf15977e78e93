"""The same way to a host, in Ansible's words."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

from glmprov.inventory import Host
from glmprov.remote import ConnectOptions
from glmprov.remote.choice import wanted_channel
from glmprov.remote.openssh import ssh_arguments


def shared_options(host: Host, options: ConnectOptions) -> ConnectOptions:
    """Return the options for a channel whose connection Ansible shares, where the channel is ours to choose."""
    return replace(options, channel="openssh") if wanted_channel(host, options) == "auto" else options


def connection_variables(host: Host, options: ConnectOptions) -> dict[str, Any]:
    """Return the variables with which Ansible reaches the host as we do: same login, master and strictness.

    The inventory's own ansible_* variables stay; what the command line says fills the gaps, as in Ansible.
    """
    variables = {name: value for name, value in host.variables.items() if name.startswith("ansible_")}
    asked = {
        "ansible_user": options.user,
        "ansible_ssh_private_key_file": options.private_key,
        "ansible_password": options.password,
        "ansible_become_password": options.become_password,
    }
    for name, value in asked.items():
        if value is not None:
            variables.setdefault(name, value)
    if host.is_local:
        return variables
    variables["ansible_connection"] = "ssh"
    variables["ansible_ssh_args"] = shlex.join(ssh_arguments(host, options))
    for name in ("ansible_ssh_common_args", "ansible_ssh_extra_args"):  # both are in ansible_ssh_args now
        variables.pop(name, None)
    return variables
