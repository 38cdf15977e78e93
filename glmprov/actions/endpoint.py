"""`glmprov endpoint list`: which instances serve where, by the hosts' receipts and what their engines say now."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace

from glmprov.actions.deploy.records import instance_of
from glmprov.actions.observe import Fleet, Said, look_at_all, silent
from glmprov.deployed import InstanceReceipt, ObservedInstance
from glmprov.engines.meaning import engine_of
from glmprov.errors import GlmprovError, ProbeError
from glmprov.instance import Instance
from glmprov.instance.gate import loopback
from glmprov.inventory import Host
from glmprov.operate.health import healthy
from glmprov.remote import connect
from glmprov.remote.fan_out import for_each
from glmprov.remote.resolve import resolve
from glmprov.results.endpoint import HostEndpoint
from glmprov.results.facts import HostFacts


def endpoints(fleet: Fleet, said: Said = silent) -> tuple[HostEndpoint, ...]:
    """Return the endpoint of every instance of every host; a host that can't be read is one with an error."""
    seen = {facts.host: facts for facts in look_at_all(fleet, said)}
    found = {host.name: _of(host, seen[host.name], fleet) for host in fleet.hosts}
    asked = [host for host in fleet.hosts if any(each.active == "active" for each in found[host.name])]

    def ask(host: Host) -> Mapping[str, bool | None]:
        up = {
            each.name: (loopback(each.listen), each.port)
            for each in found[host.name]
            if each.active == "active"
        }
        with connect(host, fleet.connection) as channel:
            return healthy(channel, host.name, up)

    for host, result in for_each(asked, ask, fleet.forks):
        found[host.name] = [_told(each, host.name, result) for each in found[host.name]]
    return tuple(each for host in fleet.hosts for each in found[host.name])


def endpoint_of(host: str, name: str, seen: ObservedInstance, address: str) -> HostEndpoint:
    """Return where an instance serves, as its receipt says; whether its engine is well isn't known yet."""
    if not isinstance(seen.receipt, InstanceReceipt):
        reason = seen.receipt.reason if seen.receipt else "no receipt says what it is"
        return HostEndpoint(host, name, active=seen.active, error=ProbeError(reason, host=host, place=name))
    instance = instance_of(seen.receipt)
    return HostEndpoint(
        host,
        name,
        recipe=instance.recipe,
        engine=instance.launch.engine,
        model=instance.served_name,
        address=address if loopback(instance.listen) != instance.listen else instance.listen,
        listen=instance.listen,
        port=instance.port,
        gpus=len(instance.gpus),
        key_file=instance.key_file,
        metrics=_metrics(instance),
        active=seen.active,
        healthy=None if seen.active == "active" else False,
    )


def _of(host: Host, facts: HostFacts, fleet: Fleet) -> Sequence[HostEndpoint]:
    if facts.observation is None:
        return [HostEndpoint(host.name, "", error=facts.error)]
    address = _address(host, fleet)
    return [endpoint_of(host.name, name, seen, address) for name, seen in facts.observation.instances.items()]


def _address(host: Host, fleet: Fleet) -> str:
    """Return what others reach a host by, as far as we know: what SSH connects to."""
    if host.is_local:
        return socket.gethostname()
    return resolve(host, fleet.connection).hostname


def _metrics(instance: Instance) -> bool | None:
    """Say whether an instance serves /metrics, None where nobody knows."""
    engine = engine_of(instance.launch)
    if engine.running_requests_metric is None:
        return None
    return engine.written("metrics") is None or bool(engine.given(instance.launch, "metrics"))


def _told(
    endpoint: HostEndpoint, host: str, result: Mapping[str, bool | None] | GlmprovError
) -> HostEndpoint:
    if endpoint.error is not None or endpoint.active != "active":
        return endpoint
    if isinstance(result, GlmprovError):
        result.host = result.host or host
        return replace(endpoint, error=result)
    return replace(endpoint, healthy=result.get(endpoint.name))
