"""Which channel a host needs."""

from __future__ import annotations

import os

from glmprov.errors import InventoryError, UsageError
from glmprov.inventory import Host
from glmprov.remote import Channel, ConnectOptions
from glmprov.remote.become import first
from glmprov.remote.config import resolve
from glmprov.secret import Secret, reveal

CHANNELS = ("auto", "openssh", "paramiko")

OVER_SSH = {"ssh", "smart", "paramiko", "paramiko_ssh"}
"""Values of ansible_connection that mean SSH; which channel speaks it is ours to choose."""


def open_channel(host: Host, options: ConnectOptions) -> Channel:
    """Open the channel for host. Errors as glmprov.remote.connect."""
    connection = reveal(host.variables.get("ansible_connection") or "ssh").removeprefix("ansible.builtin.")
    if connection == "local":
        from glmprov.remote.local import LocalChannel

        return LocalChannel(host, options)
    if connection not in OVER_SSH:
        raise InventoryError(
            f"reaches hosts by ssh or local, not by {connection}", host=host.name, place="ansible_connection"
        )
    asked = wanted_channel(host, options)
    config = resolve(host, options)
    said = first(host.variables, "ansible_password", "ansible_ssh_pass", "ansible_ssh_password")
    password = options.password if said is None else Secret(reveal(said))
    from glmprov.remote.openssh import OpenSshChannel

    if asked == "openssh":
        return OpenSshChannel(host, options, config, password)
    return OpenSshChannel(host, options, config, password)


def wanted_channel(host: Host, options: ConnectOptions) -> str:
    """Return auto, openssh or paramiko: the inventory's glmprov_channel, else the option, else $GLMPROV_CHANNEL."""
    said = host.variables.get("glmprov_channel")
    if said is not None:
        if said not in CHANNELS:
            raise InventoryError(
                f"{said!r} is not one of {', '.join(CHANNELS)}", host=host.name, place="glmprov_channel"
            )
        return str(said)
    asked = options.channel if options.channel != "auto" else os.environ.get("GLMPROV_CHANNEL") or "auto"
    if asked not in CHANNELS:
        raise UsageError(f"{asked!r} is not one of {', '.join(CHANNELS)}", place="GLMPROV_CHANNEL")
    return asked
