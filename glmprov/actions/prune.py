"""`glmprov prune`: remove images and weights that deploy fetched and that no recent receipt needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from glmprov.actions.deploy.fetching import KEPT_TAG
from glmprov.actions.deploy.records import instance_of
from glmprov.actions.observe import Fleet, Said, look_at_all
from glmprov.actions.provision import Aborted
from glmprov.actions.record import Recorder, entry
from glmprov.deployed import InstanceReceipt
from glmprov.errors import GlmprovError
from glmprov.history import Change, Event
from glmprov.inventory import Host
from glmprov.journal import append, instances
from glmprov.observation import Observation
from glmprov.operate import docker, weights
from glmprov.remote import Channel, connect
from glmprov.remote.fan_out import for_each
from glmprov.results import HostPrune, Unneeded
from glmprov.settings.instances import model_root
from glmprov.state import Unknown

Confirm = Callable[[Sequence[HostPrune]], bool]


def prune(fleet: Fleet, keep: int, confirm: Confirm, said: Said) -> tuple[HostPrune, ...]:
    """Remove what no instance's last keep receipts need. Raise Aborted if the person says no.

    Only images that deploy fetched and weights in its own store are looked at; an image that a container uses stays.
    """
    found = {each.host: each for each in _unneeded(fleet, keep, said)}
    ready = [host for host in fleet.hosts if found[host.name].unneeded and not found[host.name].error]
    if ready and not confirm(tuple(found.values())):
        raise Aborted
    recorder = Recorder(fleet, "prune", said, command="prune", keeps_before=False)
    with recorder.locked(ready) as refused:

        def act(host: Host) -> None:
            with connect(host, fleet.connection) as channel:
                for each in found[host.name].unneeded:
                    said(host.name, f"removing {each.what}")
                    _remove(channel, host.name, each)
                changes = tuple(
                    Change(each.what, each.size_bytes, None, "FIXED") for each in found[host.name].unneeded
                )
                append(channel, entry("prune", Event.DONE, changes=changes))

        begun = [host for host in ready if host.name not in refused]
        results = {host.name: result for host, result in for_each(begun, act, fleet.forks)}
    for host in ready:
        error = refused.get(host.name) or results.get(host.name)
        found[host.name] = found[host.name].ended(error if isinstance(error, GlmprovError) else None)
    return tuple(found[host.name] for host in fleet.hosts)


def _unneeded(fleet: Fleet, keep: int, said: Said) -> Iterator[HostPrune]:
    seen = {facts.host: facts for facts in look_at_all(fleet, said)}

    def look(host: Host) -> tuple[Unneeded, ...]:
        observation = seen[host.name].observation
        if observation is None:
            raise seen[host.name].error or GlmprovError("it could not be read", host=host.name)
        with connect(host, fleet.connection) as channel:
            return tuple(_on(channel, host, observation, keep))

    for host, result in for_each(fleet.hosts, look, fleet.forks):
        if isinstance(result, GlmprovError):
            yield HostPrune(host.name, error=result)
        else:
            yield HostPrune(host.name, result)


def _on(channel: Channel, host: Host, observation: Observation, keep: int) -> Iterator[Unneeded]:
    needed = list(_needed(channel, observation, keep))
    images = {each.expected.engine_image.image for each in needed if each.expected.engine_image}
    folders = {instance_of(each).weights.folder for each in needed}
    for image in docker.images(channel, host.name):
        ours = [tag for tag in image.tags if f":{KEPT_TAG}-" in tag]
        if ours and image.id not in images and not image.used_by:
            yield Unneeded("image", ours[0], image.id, image.size_bytes)
    root = model_root(host.variables) or weights.ROOT
    for stored in weights.stored(channel, host.name, root):
        folder = f"{root}/{stored.model.replace('/', '--')}/{stored.revision}"
        if folder not in folders:
            yield Unneeded("weights", f"{stored.model} at {stored.revision[:12]}", folder, stored.size_bytes)


def _needed(channel: Channel, observation: Observation, keep: int) -> Iterator[InstanceReceipt]:
    """Yield the receipts that must stay deployable: of each instance the one in force and those before it.

    Raise GlmprovError if one can't be read: then nobody knows what it needs.
    """
    for name, seen in observation.instances.items():
        if isinstance(seen.receipt, Unknown):
            raise GlmprovError(
                seen.receipt.reason, host=observation.host, place=name, next_step="glmprov status"
            )
        receipt, left = seen.receipt, keep
        while receipt is not None and left > 0:
            yield receipt
            left -= 1
            receipt = instances.read(channel, name, receipt.replaces) if receipt.replaces and left else None


def _remove(channel: Channel, host: str, what: Unneeded) -> None:
    if what.kind == "weights":
        weights.remove(channel, host, what.place)
        return
    for image in docker.images(channel, host):
        if image.id == what.place:
            for name in (*image.tags, *image.digests) or (image.id,):
                docker.remove_image(channel, host, name)
