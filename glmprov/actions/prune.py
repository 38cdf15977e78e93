"""`glmprov prune`: remove receipts, images, caches and weights that no kept receipt names; shown first, then asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from glmprov.actions.changing.record import Recorder, entry
from glmprov.actions.observe import Fleet, Said, look
from glmprov.actions.provision import Aborted
from glmprov.actions.pruning import Store, prunable
from glmprov.deployed import InstanceReceipt
from glmprov.errors import GlmprovError, PlanError
from glmprov.history import Change, Event
from glmprov.inventory import Host
from glmprov.journal import instances
from glmprov.journal.history import append
from glmprov.observation import Observation
from glmprov.operate import docker, weights
from glmprov.remote import Channel, connect
from glmprov.remote.fan_out import by_host, for_each
from glmprov.results.prune import HostPrune, Prunable
from glmprov.settings.instances import model_root
from glmprov.state import Unknown

KEEP = 2
"""The receipt in force, and the one that rollback leads to."""

Confirm = Callable[[Sequence[HostPrune]], bool]


def prune(fleet: Fleet, keep: int, confirm: Confirm, said: Said) -> tuple[HostPrune, ...]:
    """Remove from each host what no kept receipt names, under its lock. Raise Aborted if the person says no."""
    found = _look(fleet, fleet.hosts, keep, said)
    todo = [host for host in fleet.hosts if found[host.name].items]
    if not todo:
        return tuple(found.values())
    if not confirm(tuple(found.values())):
        raise Aborted
    recorder = Recorder(fleet, "prune", said, command="prune", keeps_before=False)
    with recorder.locked(todo) as refused:
        for name, error in refused.items():
            found[name] = replace(found[name], error=error)
        free = [host for host in todo if host.name not in refused]
        again = _look(fleet, free, keep, said)

        def work(host: Host) -> HostPrune:
            now = again[host.name]
            # What came meanwhile wasn't shown, and what is wanted again by now stays.
            agreed = tuple(each for each in now.items if each in found[host.name].items)
            return now if now.error else _remove(fleet, host, replace(now, items=agreed), said)

        for host, result in for_each(free, work, fleet.forks):
            found[host.name] = (
                replace(found[host.name], error=result) if isinstance(result, GlmprovError) else result
            )
    return tuple(found.values())


def _look(fleet: Fleet, hosts: Sequence[Host], keep: int, said: Said) -> dict[str, HostPrune]:
    def work(host: Host) -> HostPrune:
        said(host.name, "looking at what lies there")
        observation = look(fleet, host)
        with connect(host, fleet.connection) as channel:
            items, stay = prunable(_store(channel, host, observation), keep)
        return HostPrune(host.name, items, stay)

    def lost(host: str, error: GlmprovError) -> HostPrune:
        return HostPrune(host, error=error)

    return by_host(hosts, work, lost, fleet.forks)


def _store(channel: Channel, host: Host, observation: Observation) -> Store:
    """Return what lies on a host. Raise PlanError if a receipt can't be read: nobody knows then what it needs."""
    in_force: dict[str, InstanceReceipt] = {}
    for name, seen in observation.instances.items():
        if not isinstance(seen.receipt, InstanceReceipt):
            reason = (
                seen.receipt.reason if isinstance(seen.receipt, Unknown) else "no receipt says what it is"
            )
            raise PlanError(
                f"{reason}, so nobody knows what it needs",
                place=name,
                next_step=f"deploy it again, or take it away: glmprov remove {name}",
            )
        in_force[name] = seen.receipt
    unseen = [name for name in instances.names(channel) if name not in in_force]
    if unseen:
        raise PlanError(
            f"it has receipts of {', '.join(unseen)}, and the look at the host didn't find them",
            next_step="glmprov status",
        )
    receipts = {
        name: {
            number: receipt
            for number in instances.numbers(channel, name)
            if (receipt := instances.read(channel, name, number)) is not None
        }
        for name in in_force
    }
    root = model_root(host.variables) or weights.ROOT
    has_docker = observation.state.container_engine is not None and observation.state.container_engine.package
    return Store(
        in_force,
        receipts,
        docker.images(channel, host.name) if has_docker else (),
        docker.volumes(channel, host.name) if has_docker else (),
        weights.stored(channel, host.name, root),
        root,
    )


def _remove(fleet: Fleet, host: Host, found: HostPrune, said: Said) -> HostPrune:
    """Remove what was agreed upon; what doesn't go keeps the rest from nothing."""
    gone: list[Prunable] = []
    failed: dict[str, GlmprovError] = {}
    with connect(host, fleet.connection) as channel:
        for item in found.items:
            said(host.name, f"removing {item.kind} {item.name}")
            try:
                _remove_one(channel, host.name, item)
            except GlmprovError as error:
                error.host = error.host or host.name
                failed[item.name] = error
            else:
                gone.append(item)
        if gone:
            changes = tuple(Change(f"{each.kind}[{each.name}]", "there", "gone", "FIXED") for each in gone)
            append(channel, entry("prune", Event.DONE, changes=changes))
    return replace(found, gone=tuple(gone), failed=failed)


def _remove_one(channel: Channel, host: str, item: Prunable) -> None:
    match item.kind:
        case "receipt":
            name, _, number = item.name.rpartition(" ")
            instances.drop(channel, name, [int(number)])
        case "image":
            _remove_image(channel, host, item.name)
        case "cache":
            docker.remove_volume(channel, host, item.name)
        case "weights":
            weights.remove(channel, host, item.name)


def _remove_image(channel: Channel, host: str, image_id: str) -> None:
    """Remove an image by each of its names: Docker refuses its id where it came from two repositories."""
    for image in docker.images(channel, host):
        if image.id == image_id:
            for name in (*image.tags, *image.digests) or (image.id,):
                docker.remove_image(channel, host, name)
