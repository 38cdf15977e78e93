"""Bring image and weights to a host, while what served before goes on serving."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from glmprov.actions.deploy.work import Deployment
from glmprov.actions.observe import Said
from glmprov.errors import FetchError
from glmprov.instance import Image
from glmprov.operate import docker, hub, weights
from glmprov.recipe import Launch, Recipe
from glmprov.recipe.image_name import image_name
from glmprov.recipe.lock import FileLock, ImageLock, ModelLock, RecipeLock
from glmprov.remote import Channel

KEPT_TAG = "glmprov-kept"


def known(channel: Channel, host: str, locked: ImageLock | None) -> Image | None:
    """Return what is known of a locked image: the host's own id and its environment where the host has it."""
    if locked is None:
        return None
    found = docker.inspect(channel, host, image_name(locked.pinned))
    if found is None:
        return Image(locked.asked, locked.digest)
    return Image(locked.asked, locked.digest, found.id, found.environment)


def fetch_image(channel: Channel, deployment: Deployment, locked: ImageLock, said: Said) -> Image:
    """Pull an image by its digest if the host hasn't got it. Raise FetchError if it can't be had."""
    host = deployment.host.name
    have = known(channel, host, locked)
    if have is not None and have.image_id is not None:
        return have
    docker.daemon(channel, host).refuse_if_too_small(locked.asked, locked.compressed_bytes, host)
    name = image_name(locked.pinned)
    found = docker.pull(channel, host, name, lambda progress: said(host, str(progress)))
    docker.tag(
        channel, host, found.id, name.repository, f"{KEPT_TAG}-{locked.digest.removeprefix('sha256:')[:12]}"
    )
    deployment.fetched.append(f"image {locked.asked} ({locked.digest[:19]}…)")
    return Image(locked.asked, locked.digest, found.id, found.environment)


def fetch_weights(
    channel: Channel,
    deployment: Deployment,
    model: ModelLock,
    folder: str,
    said: Said,
    url: str,
    *,
    named: bool = False,
) -> None:
    """Bring the weights to their folder, every file with the right size and sum. Raise FetchError if they can't be.

    named: somebody said that they are in it, so they aren't fetched to where nothing of them is.
    """
    host = deployment.host.name
    have = weights.look(channel, host, model, folder)
    if named:
        weights.refuse_if_absent(have, host, model)
    if not have.complete:
        weights.refuse_if_too_small(have, host, model)
        count = weights.download(
            channel,
            host,
            model,
            folder,
            hub.endpoint(url, os.environ),
            hub.token(),
            lambda p: said(host, str(p)),
        )
        deployment.fetched.append(f"{count} files of {model.id} at {model.revision[:12]}")
        have = weights.look(channel, host, model, folder)
    if not have.verified:
        weights.verify(
            channel, host, model, folder, lambda p: said(host, str(p)), only=have.unverified or None
        )


def lock_of_folder(channel: Channel, host: str, recipe: Recipe, launch: Launch, folder: str) -> RecipeLock:
    """Return a lock for a model of one's own in a folder on the host: its files as they are, without sums.

    Raise FetchError if the folder holds no model.
    """
    argv = ["find", "-L", folder, "-maxdepth", "1", "-type", "f", "-printf", "%s %f\\n"]
    done = channel.run(argv, become=True)
    lines = [line.partition(" ") for line in done.stdout.decode(errors="replace").splitlines()]
    files = tuple(FileLock(name, int(size)) for size, _, name in lines if size.isdigit())
    names = {file.path for file in files}
    if done.returncode or "config.json" not in names or not any(file.is_shard for file in files):
        said = (
            done.stderr.decode(errors="replace").strip()
            or "it holds no config.json with safetensors beside it"
        )
        raise FetchError(
            said, host=host, place=folder, next_step="name the folder that holds the model on the host"
        )
    image = None
    if launch.image is not None:
        found = docker.resolve(channel, host, image_name(launch.image))
        image = ImageLock(
            launch.image, found.name.digest, found.platform, found.config, found.compressed_bytes
        )
    model = ModelLock(recipe.model, "", tuple(sorted(files, key=lambda file: file.path)))
    return RecipeLock(recipe.name, model, image, datetime.now(UTC).replace(microsecond=0), host)
