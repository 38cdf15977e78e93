"""Images and containers on a host, through Docker's API over our own channel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from glmprov.errors import FetchError
from glmprov.operate.asking import ask
from glmprov.operate.docker_failures import explain
from glmprov.operate.docker_told import Daemon, Image, PullProgress, Resolved
from glmprov.recipe.image_name import ImageName
from glmprov.remote import Channel

IMAGES = ("daemon", "logins", "images")
CONTAINERS = ("daemon", "containers")
"""Parts of payload/."""
CALL_SECONDS = 120.0
PULL_SECONDS = 6 * 3600.0
"""A 20 GB image over 10 Mbit/s takes five hours. Silence is noticed much sooner."""


def daemon(channel: Channel, host: str) -> Daemon:
    """Return what Docker says of itself."""
    said = _call(channel, host, "information", {})
    mirrors = (said.get("RegistryConfig") or {}).get("Mirrors") or ()
    return Daemon(said.get("ServerVersion", ""), said["DockerRootDir"], said["free_bytes"], tuple(mirrors))


def resolve(channel: Channel, host: str, name: ImageName) -> Resolved:
    """Return the digest behind a name as this host's Docker sees it, its mirrors and logins included. Pulls nothing."""
    orders = _orders(name) | {"name": name.tagged}
    said = _call(channel, host, "resolve_whole", orders, name, parts=(*IMAGES, "fetching", "registry"))
    manifest = said["manifest"] or {}
    digest = said["Descriptor"]["digest"]
    return Resolved(
        ImageName(name.registry, name.path, name.tag, digest),
        f"{said['platform']['os']}/{said['platform']['architecture']}",
        manifest.get("config"),
        manifest.get("layers"),
        manifest.get("bytes"),
        said.get("why", ""),
    )


def inspect(channel: Channel, host: str, name: ImageName | str) -> Image | None:
    """Return an image that the host has, by name or id, None if it hasn't."""
    asked = name if isinstance(name, str) else name.pinned if name.digest else name.tagged
    said = _call(channel, host, "inspect", {"name": asked})
    return None if said is None else _image(said)


def pull(
    channel: Channel, host: str, name: ImageName, heard: Callable[[PullProgress], object] | None = None
) -> Image:
    """Fetch an image by its digest and return it as the host then has it. An interrupted pull ends with our channel.

    Raise FetchError if the registry is down, refuses or hasn't it, if the digest is wrong or the disk full,
    ValueError if the name has no digest: without one, Docker would fetch every tag.
    """
    if not name.digest:
        raise ValueError(f"{name} has no digest")

    def progress(said: Mapping[str, Any]) -> None:
        layers = {
            layer: (str(phase), done, total) for layer, (phase, done, total) in said["by_layer"].items()
        }
        if heard is not None:
            heard(PullProgress(**{**said, "by_layer": layers}))

    orders = _orders(name) | {"digest": name.digest}
    said = _call(channel, host, "pull", orders, name, heard=progress, deadline_seconds=PULL_SECONDS)
    image = _image(said) if said else None
    if image is None or not image.is_from(name):
        raise FetchError(
            f"Docker says that it pulled {name.pinned}, and has {', '.join(image.digests) if image else 'nothing'}",
            host=host,
            next_step="look at what stands between the host and the registry (`docker info`, Registry Mirrors)",
        )
    return image


def load(
    channel: Channel, host: str, path: str, heard: Callable[[int, int], object] | None = None
) -> tuple[str, ...]:
    """Load the images of a file on the host (`docker save`); return their names or ids. heard: bytes done, of all."""
    progress = None if heard is None else lambda said: heard(said["bytes_done"], said["bytes_total"])
    return tuple(_call(channel, host, "load", {"path": path}, heard=progress, deadline_seconds=PULL_SECONDS))


def images(channel: Channel, host: str) -> tuple[Image, ...]:
    """Return the host's images, with the containers that use each. Environment and command aren't in the list."""
    return tuple(
        Image(
            id=said["Id"],
            digests=tuple(said.get("RepoDigests") or ()),
            tags=tuple(tag for tag in said.get("RepoTags") or () if tag != "<none>:<none>"),
            size_bytes=said["Size"],
            labels=said.get("Labels") or {},
            used_by=tuple(said["UsedBy"]),
        )
        for said in _call(channel, host, "images", {})
    )


def remove_image(channel: Channel, host: str, name: str) -> bool:
    """Remove an image by name or id; return whether it was there. Raise FetchError if a container uses it."""
    return bool(_call(channel, host, "remove_image", {"name": name}))


def volumes(channel: Channel, host: str) -> tuple[str, ...]:
    """Return the names of the host's volumes."""
    return tuple(_call(channel, host, "volumes", {}))


def remove_volume(channel: Channel, host: str, name: str) -> bool:
    """Remove a volume by name; return whether it was there. Raise FetchError if a container uses it."""
    return bool(_call(channel, host, "remove_volume", {"name": name}))


def tag(channel: Channel, host: str, image: str, repository: str, tag: str) -> None:
    """Give an image a name more. `docker image prune` removes an image that has a digest only."""
    _call(channel, host, "tag", {"name": image, "repository": repository, "tag": tag})


def container(channel: Channel, host: str, name: str) -> Mapping[str, Any] | None:
    """Return a container as `docker inspect` shows it, None if there is none."""
    said: Mapping[str, Any] | None = _call(channel, host, "container", {"name": name}, parts=CONTAINERS)
    return said


def container_log(channel: Channel, host: str, name: str, lines: int = 400) -> str | None:
    """Return the last lines that a container printed, None if there is none."""
    said: str | None = _call(channel, host, "container_log", {"name": name, "lines": lines}, parts=CONTAINERS)
    return said


def stop_container(channel: Channel, host: str, name: str, seconds: int = 30) -> bool:
    """Stop a container, after some seconds by force; return whether there was one."""
    orders = {"name": name, "seconds": seconds}
    return bool(
        _call(
            channel, host, "stop_container", orders, deadline_seconds=seconds + CALL_SECONDS, parts=CONTAINERS
        )
    )


def remove_container(channel: Channel, host: str, name: str) -> bool:
    """Remove a container, by force; return whether there was one."""
    return bool(_call(channel, host, "remove_container", {"name": name}, parts=CONTAINERS))


def _orders(name: ImageName) -> dict[str, Any]:
    return {"registry": name.registry, "repository": name.repository, "path": name.path}


def _call(
    channel: Channel,
    host: str,
    act: str,
    orders: Mapping[str, Any],
    name: ImageName | None = None,
    *,
    parts: tuple[str, ...] = IMAGES,
    heard: Callable[[Any], object] | None = None,
    deadline_seconds: float = CALL_SECONDS,
) -> Any:
    asked = str(name or orders.get("name") or orders.get("path") or "")
    return ask(
        channel, host, parts, act, orders,
        deadline_seconds=deadline_seconds, explain=partial(explain, name=asked), heard=heard,
    )  # fmt: skip


def _image(said: Mapping[str, Any]) -> Image:
    config = said.get("Config") or {}
    return Image(
        id=said["Id"],
        digests=tuple(said.get("RepoDigests") or ()),
        tags=tuple(said.get("RepoTags") or ()),
        created=said.get("Created", ""),
        size_bytes=said.get("Size", 0),
        platform=f"{said.get('Os', '')}/{said.get('Architecture', '')}",
        environment=dict(each.partition("=")[::2] for each in config.get("Env") or ()),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        labels=config.get("Labels") or {},
    )
