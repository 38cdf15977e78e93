"""Which channel a host needs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from glmprov.errors import InventoryError, UsageError
from glmprov.inventory import Host
from glmprov.remote import Channel, ConnectOptions, known_hosts
from glmprov.remote.become import first
from glmprov.remote.config import SshConfig
from glmprov.remote.libssh2_login import beyond_libssh2
from glmprov.remote.reaching import BeyondLibraryError
from glmprov.remote.resolve import resolve
from glmprov.secret import Secret, reveal

CHANNELS = ("auto", "openssh", "libssh2", "paramiko")

OVER_SSH = {"ssh", "smart", "paramiko", "paramiko_ssh"}
"""Values of ansible_connection that mean SSH; which channel speaks it is ours to choose."""

UNSET = {"none", "", "no", "any", "false", "default", "internal"}

BEYOND_LIBRARIES = (
    "proxyjump",
    "proxycommand",
    "certificatefile",
    "pkcs11provider",
    "securitykeyprovider",
    "knownhostscommand",
    "verifyhostkeydns",
    "revokedhostkeys",
    "canonicalizehostname",
    "addressfamily",
    "bindaddress",
    "bindinterface",
    "hostbasedauthentication",
    "gssapidelegatecredentials",
    "remotecommand",
)
"""Settings of ssh that only ssh itself can follow, once they are set to anything."""


def open_channel(host: Host, options: ConnectOptions) -> Channel:
    """Open the channel for host. Errors as glmprov.remote.connect."""
    connection = reveal(host.variables.get("ansible_connection") or "ssh").removeprefix("ansible.builtin.")
    if connection == "local":
        from glmprov.remote.local import LocalChannel

        return LocalChannel(host, options)
    if connection not in OVER_SSH:
        raise InventoryError(
            f"hosts are reached by ssh or local, not by {connection}",
            host=host.name,
            place="ansible_connection",
        )
    asked = wanted_channel(host, options)
    config = resolve(host, options)
    said = first(host.variables, "ansible_password", "ansible_ssh_pass", "ansible_ssh_password")
    password = options.password if said is None else Secret(reveal(said))
    reason = needs_openssh(config)
    if asked in ("libssh2", "paramiko") and reason:
        raise _beyond(asked, reason, host)
    ways: tuple[str, ...] = (asked,)
    if asked == "auto":
        ways = ("openssh",) if reason or _master_runs(config) else ("libssh2", "paramiko", "openssh")
    for way in ways:
        try:
            return _open(way, host, options, config, password)
        except BeyondLibraryError as error:
            if way == ways[-1]:
                raise _beyond(way, str(error), host) from error
    raise AssertionError("OpenSSH is beyond nothing")


def _open(
    way: str, host: Host, options: ConnectOptions, config: SshConfig, password: Secret | None
) -> Channel:
    """Open one kind of channel; its library is imported only now. Raise BeyondLibraryError if it can't do this."""
    if way == "openssh":
        from glmprov.remote.openssh import OpenSshChannel

        return OpenSshChannel(host, options, config, password)
    if way == "paramiko":
        from glmprov.remote.paramiko_channel import ParamikoChannel

        return ParamikoChannel(host, options, config, password)
    reason = beyond_libssh2(config, password)
    if reason:
        raise BeyondLibraryError(reason)
    from glmprov.remote.libssh2_channel import Libssh2Channel

    return Libssh2Channel(host, options, config)


def _beyond(channel: str, reason: str, host: Host) -> InventoryError:
    return InventoryError(
        f"{channel} can't reach it: {reason}",
        host=host.name,
        place="glmprov_channel",
        next_step="leave the channel to be chosen (auto), or take openssh",
    )


def wanted_channel(host: Host, options: ConnectOptions) -> str:
    """Return one of CHANNELS: the inventory's glmprov_channel, else the option, else $GLMPROV_CHANNEL."""
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


def needs_openssh(config: SshConfig, exists: Callable[[Path], bool] = Path.is_file) -> str | None:
    """Return why this way to a host is beyond both libraries, None if it isn't."""
    for key in BEYOND_LIBRARIES:
        if config.one(key, "").lower() not in UNSET:
            return f"it uses {key} {config.one(key)}"
    if _other_arguments(config):
        return "ansible_ssh_common_args or _extra_args hold more than options (-o)"
    agent = config.one("identityagent", "")
    if agent not in {"", "none", "SSH_AUTH_SOCK", "$SSH_AUTH_SOCK", os.environ.get("SSH_AUTH_SOCK", "")}:
        return f"it uses the agent {agent}"
    for path in config.identity_files:
        if exists(Path(f"{path}-cert.pub")):
            return f"{path} has a certificate"
        if exists(path) and _is_hardware_key(path):
            return f"{path} is a hardware key"
    known = known_hosts.look_up(config.known_hosts_files, config.host_key_name)
    authority = next((line for line in known if line.marker == "@cert-authority"), None)
    return f"{authority.place} trusts it by certificate" if authority else None


def _other_arguments(config: SshConfig) -> bool:
    """Return whether the inventory's own arguments hold anything but -o, which ssh -G has already understood."""
    words = list(config.extra_arguments)
    while words:
        word = words.pop(0)
        if word in {"-o", "-F"} and words:
            words.pop(0)
        elif not word.startswith(("-o", "-F")) and word not in {"-C", "-q"}:
            return True
    return False


def _is_hardware_key(path: Path) -> bool:
    """Return whether the public half names a FIDO key."""
    public = Path(f"{path}.pub")
    return public.is_file() and public.read_text(errors="replace").startswith("sk-")


def _master_runs(config: SshConfig) -> bool:
    """Return whether a master for this way is up: then its connection is there for nothing."""
    from glmprov.remote.sharing import control_path, masters

    return bool(masters()) and control_path(config).exists()
