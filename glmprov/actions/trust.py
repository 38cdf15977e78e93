"""`glmprov host trust`: show the keys of hosts and of the jump hosts on the way, and write them to known_hosts."""

from __future__ import annotations

from collections.abc import Callable

from glmprov.actions.observe import Fleet
from glmprov.errors import GlmprovError, HostKeyError
from glmprov.inventory import Host
from glmprov.remote.trust import ShownKey, remember, scan, way
from glmprov.results.trust import HostTrust, TrustedKey

Confirm = Callable[[str], bool]


def trust(fleet: Fleet, confirm: Confirm, *, replace: bool = False) -> tuple[HostTrust, ...]:
    """Ask every host for its key, one after the other: a person compares each fingerprint."""
    return tuple(_trust(host, fleet, confirm, replace) for host in fleet.hosts)


def _trust(host: Host, fleet: Fleet, confirm: Confirm, replace: bool) -> HostTrust:
    keys: list[TrustedKey] = []
    try:
        for config in way(host, fleet.connection):
            keys.append(_one(scan(config, host.name, fleet.connection.connect_seconds), confirm, replace))
    except GlmprovError as error:
        error.host = error.host or host.name
        return HostTrust(host.name, tuple(keys), error)
    return HostTrust(host.name, tuple(keys))


def _one(shown: ShownKey, confirm: Confirm, replace: bool) -> TrustedKey:
    new = not (shown.trusted and not shown.contradicts)
    if new and not (shown.contradicts and not replace):
        was = "  It replaces another key." if shown.contradicts else ""
        if not confirm(f"{shown.name}  {shown.kind}  {shown.fingerprint}{was}"):
            raise HostKeyError("its key is not trusted: you said no", host=shown.name)
    return TrustedKey(
        shown.name, shown.kind, shown.fingerprint, str(shown.file), remember(shown, replace=replace)
    )
