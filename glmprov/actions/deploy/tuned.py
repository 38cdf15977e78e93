"""Which tuned files of the fused-MoE kernel the image on a host ships, and what an instance will meet with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from glmprov.actions.deploy.planned import Planned
from glmprov.catalog.models import models
from glmprov.engines.moe import known, listing, listing_argv
from glmprov.engines.moe_tiles import Outlook, outlook
from glmprov.engines.version import is_release
from glmprov.errors import UnreachableError
from glmprov.hardware import Gpu
from glmprov.instance import Instance
from glmprov.instance.container import DOCKER
from glmprov.observation import Observation
from glmprov.remote import Channel
from glmprov.state import Unknown

Shipped = Mapping[str, Sequence[str]] | Unknown
"""The files that an image ships, by its folders; Unknown: it couldn't be seen."""

_LISTING_SECONDS = 120.0


class TunedFiles:
    """The tuned files of the images on the hosts. Each image is asked once a host."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Shipped] = {}

    def of(self, channel: Channel, host: str, planned: Planned) -> Shipped | None:
        """Return what the image of an instance ships. None: it isn't there yet, or its engine looks for none.

        A container without network and cards lists them; nothing of the engine is started.
        """
        engine, image = planned.instance.launch.engine, planned.image_id
        if image is None or engine not in known():
            return None
        if (host, image) not in self._found:
            self._found[host, image] = _listed(channel, image, engine)
        return self._found[host, image]


def _listed(channel: Channel, image: str, engine: str) -> Shipped:
    python, *rest = listing_argv(engine)
    argv = [DOCKER, "run", "--rm", "--pull", "never", "--network", "none", "--entrypoint", python, image]
    try:
        done = channel.run([*argv, *rest], become=True, deadline_seconds=_LISTING_SECONDS)
    except UnreachableError as error:
        return Unknown(str(error.message))
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        return Unknown(said[-1] if said else f"its container ended with {done.returncode}")
    try:
        return listing(done.stdout.decode(errors="replace"))
    except ValueError as error:
        return Unknown(f"its container said something else: {error}")


def told(planned: Planned, observation: Observation, shipped: Shipped | None) -> Iterator[str]:
    """Yield which tuned file each kind of card will meet, before anything is stopped. Pure."""
    instance = planned.instance
    if instance.moe is not None:
        for file in instance.moe.files:
            yield f"tuned fused-MoE file: the recipe's own, mounted as {file.rpartition('/')[2]}"
    elif isinstance(shipped, Unknown):
        yield f"which tuned fused-MoE files the image ships can't be seen: {shipped.reason}"
    elif shipped is not None:
        for found in _outlooks(instance, _cards(instance, observation), shipped):
            yield _said(found)


def _cards(instance: Instance, observation: Observation) -> tuple[Gpu, ...]:
    gpus = observation.hardware.gpus
    return () if isinstance(gpus, Unknown) else tuple(gpu for gpu in gpus if gpu.uuid in instance.gpus)


def _outlooks(
    instance: Instance, cards: Sequence[Gpu], shipped: Mapping[str, Sequence[str]]
) -> Iterator[Outlook]:
    model = models().known.get(instance.weights.model)
    if model is None or not is_release(instance.launch.version):
        return
    for device in dict.fromkeys(card.name for card in cards):
        found = outlook(instance.launch, model, device, shipped)
        if found is not None:
            yield found


def _said(found: Outlook) -> str:
    if found.found is not None:
        return f"tuned fused-MoE file: the image ships {found.name}"
    none = f"tuned fused-MoE file: the image ships no {found.name}"
    if found.wanted is None:
        return f"{none}; nobody has read which tile this release then takes"
    fits = "doesn't fit" if found.crashes else "fits"
    return f"{none}; the default tile {fits} ({found.wanted:,} of {found.available:,} B of shared memory)"
