"""What of receipts, images, caches and weights no kept receipt names. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from glmprov.actions.deploy.fetching import KEPT_TAG
from glmprov.actions.deploy.records import instance_of
from glmprov.deployed import InstanceReceipt
from glmprov.instance import Instance
from glmprov.instance.container import CACHE_VOLUME
from glmprov.operate.docker_told import Image
from glmprov.operate.weights_told import Stored
from glmprov.results.prune import Prunable

_REVISION = re.compile(r"[0-9a-f]{40}")
"""A commit: what the hub names revisions by, and so the folders that deploy makes."""


@dataclass(frozen=True)
class Store:
    """What lies on a host. receipts are by instance and number; in_force is each instance's, by name."""

    in_force: Mapping[str, InstanceReceipt]
    receipts: Mapping[str, Mapping[int, InstanceReceipt]]
    images: Sequence[Image] = ()
    volumes: Sequence[str] = ()
    models: Sequence[Stored] = ()
    root: str = ""


def kept(
    in_force: InstanceReceipt, receipts: Mapping[int, InstanceReceipt], keep: int
) -> tuple[InstanceReceipt, ...]:
    """Return so many receipts: the one in force, those that rollback leads to from there, then the newest."""
    found = {in_force.number: in_force}
    before = receipts.get(in_force.replaces)
    while before is not None and before.number not in found and len(found) < keep:
        found[before.number] = before
        before = receipts.get(before.replaces)
    for number in sorted(receipts, reverse=True):
        if len(found) >= keep:
            break
        found.setdefault(number, receipts[number])
    return tuple(found.values())


def prunable(store: Store, keep: int) -> tuple[tuple[Prunable, ...], tuple[str, ...]]:
    """Return what may go from a host, and what is kept in words."""
    stay = {name: kept(found, store.receipts.get(name, {}), keep) for name, found in store.in_force.items()}
    instances = [instance_of(receipt) for those in stay.values() for receipt in those]
    items = (
        *_receipts(store, stay),
        *_images(store.images, instances),
        *_caches(store.volumes, instances),
        *_weights(store, instances),
    )
    said = tuple(
        f"{name}: receipts {', '.join(str(r.number) for r in those)}" for name, those in stay.items()
    )
    return items, said


def _receipts(store: Store, stay: Mapping[str, Sequence[InstanceReceipt]]) -> Iterator[Prunable]:
    for name, receipts in store.receipts.items():
        numbers = {receipt.number for receipt in stay.get(name, ())}
        for number, receipt in receipts.items():
            if number not in numbers:
                about = f"{receipt.recipe}, of {receipt.written_at}"
                yield Prunable("receipt", f"{name} {number}", len(str(receipt.texts)), about)


def _images(images: Sequence[Image], instances: Iterable[Instance]) -> Iterator[Prunable]:
    """Yield images that deploy fetched, that nobody else named since, and that no container is made of."""
    wanted = {word for i in instances if i.image for word in (i.image.digest, i.image.image_id) if word}
    for image in images:
        digests = {each.partition("@")[2] for each in image.digests}
        ours = image.tags and all(tag.rpartition(":")[2].startswith(f"{KEPT_TAG}-") for tag in image.tags)
        if ours and not image.used_by and not wanted & {image.id, *digests}:
            yield Prunable("image", image.id, image.size_bytes, next(iter((*image.digests, *image.tags))))


def _caches(volumes: Iterable[str], instances: Iterable[Instance]) -> Iterator[Prunable]:
    """Yield what images compiled that are no longer wanted."""
    wanted = {f"{CACHE_VOLUME}{each.image.short_digest}" for each in instances if each.image}
    for volume in volumes:
        if volume.startswith(CACHE_VOLUME) and volume not in wanted:
            yield Prunable("cache", volume, about="what an engine compiled")


def _weights(store: Store, instances: Iterable[Instance]) -> Iterator[Prunable]:
    """Yield revisions below the model root that look as deploy makes them: ORG--NAME/COMMIT."""
    wanted = {each.weights.folder for each in instances}
    for each in store.models:
        folder = str(PurePosixPath(store.root) / each.model.replace("/", "--", 1) / each.revision)
        if "/" in each.model and _REVISION.fullmatch(each.revision) and folder not in wanted:
            about = f"{each.model}{', not whole' if each.partly else ''}"
            yield Prunable("weights", folder, each.size_bytes, about)
