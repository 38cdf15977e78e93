"""`glmprov recipe lock`: what a recipe's image and model are today, asked by a host."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from glmprov.actions.observe import Fleet, Said, silent
from glmprov.errors import FetchError, HubDownError, NoHostError, UsageError
from glmprov.inventory import Host
from glmprov.operate import docker, hub
from glmprov.recipe import Launch, Recipe
from glmprov.recipe.image_name import image_name
from glmprov.recipe.lock import ImageLock, ModelLock, RecipeLock, moved
from glmprov.recipe.lock_file import NAME, read, write
from glmprov.remote import Channel, ConnectOptions, connect
from glmprov.secret import Secret


@dataclass(frozen=True)
class Locked:
    """A lock that was written: where, and the one that was there before, if there was one."""

    lock: RecipeLock
    path: Path
    before: RecipeLock | None = None


def recipe_lock(
    fleet: Fleet, recipe: Recipe, *, out: Path | None = None, hub_url: str | None = None, said: Said = silent
) -> Locked:
    """Resolve a recipe by the first host of the fleet, and write its lock.

    The host asks, so that its mirrors, logins, proxies and trust count, as they do when it fetches.
    """
    if recipe.kind != "serve":
        raise UsageError(f"{recipe.name} serves nothing: there is nothing to lock", place=recipe.name)
    host = next(iter(fleet.hosts), None)
    if host is None:
        raise NoHostError(
            "a host must ask what the recipe's image and model are", next_step="give one with -l"
        )
    path = out or lock_path(recipe, Path.cwd())
    before = read(path).get(recipe.name)
    with connect(host, fleet.connection) as channel:
        endpoint = hub.endpoint(hub_url, os.environ)
        lock = resolved(channel, host.name, recipe, recipe.corrected, endpoint, hub.token(), said)
    write(path, lock)
    return Locked(lock, path, before)


def lock_path(recipe: Recipe, cwd: Path) -> Path:
    """Return where a recipe's lock lies: beside its file; for one of ours or of a Git source, in cwd."""
    file = cwd / recipe.place
    return (file.parent if file.is_file() else cwd) / NAME


def lock_of(
    recipe: Recipe, cwd: Path, launch: Launch | None = None
) -> tuple[RecipeLock | None, tuple[str, ...]]:
    """Return the lock that lies beside a recipe, and what moved since; None where there is none."""
    lock = read(lock_path(recipe, cwd)).get(recipe.name)
    return lock, moved(lock, recipe, launch) if lock else ()


def resolved(
    channel: Channel,
    host: str,
    recipe: Recipe,
    launch: Launch,
    hub_url: str,
    key: Secret | None = None,
    said: Said = silent,
) -> RecipeLock:
    """Return what a form of a recipe is today, as a host sees registry and hub. Nothing is fetched.

    A hub that the host doesn't reach is asked from this machine: weights may come another way than from there.
    """
    image = None
    if launch.image is not None:
        said(host, f"resolving {launch.image}")
        found = docker.resolve(channel, host, image_name(launch.image))
        image = ImageLock(
            launch.image, found.name.digest, found.platform, found.config, found.compressed_bytes
        )
    said(host, f"resolving {recipe.model}")
    try:
        model = hub.listing(channel, host, hub_url, recipe.model, recipe.revision, key)
    except HubDownError as error:
        said(host, f"{error.message}; asking it from here")
        model = _listed_here(error, hub_url, recipe, key)
    return RecipeLock(recipe.name, model, image, datetime.now(UTC).replace(microsecond=0), host, hub_url)


def _listed_here(error: HubDownError, hub_url: str, recipe: Recipe, key: Secret | None) -> ModelLock:
    """Return what the hub tells this machine. Raise the host's error where it tells nothing here either."""
    here = Host("this machine", {"ansible_connection": "local"})
    try:
        with connect(here, ConnectOptions()) as channel:
            return hub.listing(channel, here.name, hub_url, recipe.model, recipe.revision, key)
    except FetchError as also:
        raise HubDownError(
            f"{error.message}; nor is it told here: {also.message}",
            host=error.host,
            place=error.place,
            next_step=f"make recipe.lock where a hub is reached (glmprov recipe lock {recipe.name}): with it none is "
            "asked, and --weights-from brings the weights; or name another hub: --hub URL, or HF_ENDPOINT",
        ) from also
