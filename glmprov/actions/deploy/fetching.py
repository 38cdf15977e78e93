"""Bring image and weights to a host, while what served before goes on serving."""

from __future__ import annotations

from datetime import UTC, datetime

from glmprov.actions.deploy.sources import FromHub
from glmprov.actions.deploy.weights_ahead import Ahead
from glmprov.actions.deploy.work import Deployment
from glmprov.actions.observe import Said
from glmprov.errors import FetchError
from glmprov.instance import Image
from glmprov.operate import copying, docker, weights
from glmprov.operate.weights_failures import refuse_if_too_small
from glmprov.operate.weights_told import Progress
from glmprov.recipe import Launch, Recipe
from glmprov.recipe.image_name import image_name
from glmprov.recipe.lock import FileLock, ImageLock, ModelLock, RecipeLock
from glmprov.remote import Channel

KEPT_TAG = "glmprov-kept"


def known(channel: Channel, host: str, locked: ImageLock | None) -> Image | None:
    """Return what is known of a locked image: the host's own id and its environment where the host has it.

    One that came from a file has no digest of a registry's; it is the locked one by its id, and runs by that.
    """
    if locked is None:
        return None
    found = docker.inspect(channel, host, image_name(locked.pinned))
    if found is not None:
        return Image(locked.asked, locked.digest, found.id, found.environment)
    # Docker's own store calls an image by its configuration's digest, containerd's by its manifest's.
    for own in filter(None, (locked.config, locked.digest)):
        loaded = docker.inspect(channel, host, own)
        if loaded is not None:
            return Image(locked.asked, None, loaded.id, loaded.environment)
    return Image(locked.asked, locked.digest)


def fetch_image(channel: Channel, deployment: Deployment, locked: ImageLock, said: Said) -> Image:
    """Pull an image by its digest if the host hasn't got it. Raise FetchError if it can't be had."""
    host = deployment.host.name
    have = known(channel, host, locked)
    if have is not None and have.image_id is not None:
        return have
    docker.daemon(channel, host).refuse_if_too_small(locked.asked, locked.compressed_bytes, host)
    name = image_name(locked.pinned)
    try:
        found = docker.pull(channel, host, name, lambda progress: said(host, str(progress)))
    except FetchError as error:
        raise _or_from_a_file(error, locked) from error
    docker.tag(
        channel, host, found.id, name.repository, f"{KEPT_TAG}-{locked.digest.removeprefix('sha256:')[:12]}"
    )
    deployment.fetched.append(f"image {locked.asked} ({locked.digest[:19]}…)")
    return Image(locked.asked, locked.digest, found.id, found.environment)


def _or_from_a_file(error: FetchError, locked: ImageLock) -> FetchError:
    """Return the error with the other way to an image, where the lock can tell one that came that way."""
    if locked.config is None:
        return error
    by_file = f"or bring it as a file: `docker save {locked.asked}` on a host that has it, `docker load` here"
    next_step = f"{error.next_step}; {by_file}" if error.next_step else by_file
    return FetchError(error.message, host=error.host, place=error.place, next_step=next_step)


def fetch_weights(channel: Channel, work: Deployment, ahead: Ahead, said: Said) -> None:
    """Bring the weights to their folder, every file with the right size and sum. Raise FetchError if they can't be."""
    host, source, model, folder = work.host.name, ahead.source, ahead.model, ahead.folder

    def heard(progress: Progress) -> None:
        said(host, str(progress))

    have = weights.look(channel, host, model, folder)
    if have.lent:
        copying.take_back(channel, host, model, folder, done=have.complete)
    if not have.complete:
        refuse_if_too_small(have, host, model)
        count = source.bring(channel, work.host, model, folder, heard)
        place = "" if isinstance(source, FromHub) else f", from {source}"
        work.fetched.append(f"{count} files of {model.id} at {model.revision[:12]}{place}")
        have = weights.look(channel, host, model, folder)
    if not have.verified:
        weights.verify(channel, host, model, folder, heard, only=have.unverified or None)


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
