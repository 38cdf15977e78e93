"""Images on the host, through its Docker."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote

from glmprov.operate.payload.daemon import SILENT_STREAM_SECONDS, acted, called, get, messages, unless_missing
from glmprov.operate.payload.logins import login_header
from glmprov.operate.payload.telling import Fault, progress


def resolve(orders: dict[str, Any]) -> Any:
    """Return what the registry holds under a name, as the daemon sees it; nothing is fetched."""
    path = "/distribution/{}/json".format(quote(orders["name"]))
    return get(orders, path, headers=login_header(orders["registry"]), silent_seconds=120.0)


def information(orders: dict[str, Any]) -> Any:
    """Return what the daemon says of itself, and the room where it keeps images."""
    info = get(orders, "/info")
    room = os.statvfs(info["DockerRootDir"])
    return {**info, "free_bytes": room.f_bavail * room.f_frsize}


def inspect(orders: dict[str, Any]) -> Any:
    """Return an image that the host has, None if it hasn't."""
    return unless_missing(orders, "/images/{}/json".format(quote(orders["name"])))


class Layers:
    """How far a pull is, layer by layer, from what the daemon says as it goes."""

    def __init__(self) -> None:
        self.phase: dict[str, str] = {}
        self.done_bytes: dict[str, int] = {}
        self.total_bytes: dict[str, int] = {}

    def take(self, message: dict[str, Any]) -> None:
        layer, status = message.get("id", ""), message.get("status", "")
        if not layer or status.startswith("Pulling from"):
            return
        self.phase[layer] = status
        detail = message.get("progressDetail") or {}
        if status == "Downloading" and detail.get("current"):
            self.done_bytes[layer] = detail["current"]
            if detail.get("total", 0) > 0:
                self.total_bytes[layer] = detail["total"]
        if status in ("Download complete", "Pull complete") and layer in self.total_bytes:
            self.done_bytes[layer] = self.total_bytes[layer]

    def report(self) -> dict[str, Any]:
        phases = list(self.phase.values())
        return {
            "layers": len(phases),
            "layers_done": sum(phase in ("Pull complete", "Already exists") for phase in phases),
            "bytes_done": sum(self.done_bytes.values()),
            "bytes_total": sum(self.total_bytes.values()),
            "extracting": "Extracting" in phases and "Downloading" not in phases,
            "by_layer": {
                layer: [phase, self.done_bytes.get(layer, 0), self.total_bytes.get(layer, 0)]
                for layer, phase in self.phase.items()
            },
        }


def pull(orders: dict[str, Any]) -> Any:
    """Fetch an image by its digest, or a tag, and return it as the daemon then has it.

    An error comes in the stream, behind a status of 200, so all of it is read.
    """
    query = {"fromImage": orders["repository"], "tag": orders["digest"]}
    layers, failure = Layers(), None
    headers = login_header(orders["registry"])
    with called(
        orders, "POST", "/images/create", query=query, headers=headers, silent_seconds=SILENT_STREAM_SECONDS
    ) as answer:
        for message in messages(answer):
            failure = failure or message.get("errorDetail", {}).get("message") or message.get("error")
            layers.take(message)
            progress(layers.report())
    if failure:
        raise Fault("pull", failure)
    progress(layers.report(), now=True)
    return inspect({**orders, "name": "{}@{}".format(orders["repository"], orders["digest"])})


class Counted:
    """A file that says how much of it has been read."""

    def __init__(self, path: str) -> None:
        self.file = open(path, "rb")  # noqa: SIM115  (open as long as the request is under way)
        self.size = os.fstat(self.file.fileno()).st_size
        self.done = 0

    def read(self, size: int = 1 << 20) -> bytes:
        data = self.file.read(max(size, 1 << 20))
        self.done += len(data)
        progress({"bytes_done": self.done, "bytes_total": self.size})
        return data


def load(orders: dict[str, Any]) -> Any:
    """Load the images of a file on the host; return what the daemon calls them."""
    file = Counted(orders["path"])
    headers = {"Content-Type": "application/x-tar", "Content-Length": str(file.size)}
    names: list[str] = []
    failure = None
    with called(
        orders, "POST", "/images/load", body=file, headers=headers, silent_seconds=SILENT_STREAM_SECONDS
    ) as answer:
        for message in messages(answer):
            failure = failure or message.get("errorDetail", {}).get("message") or message.get("error")
            before, found, name = message.get("stream", "").strip().partition(": ")
            if found and before.startswith("Loaded image"):
                names.append(name)
    if failure or not names:
        raise Fault("load", failure or "there is no image in it")
    return names


def images(orders: dict[str, Any]) -> Any:
    """Return the images that the host has, short, with the containers that use each."""
    used: dict[str, list[str]] = {}
    for container in get(orders, "/containers/json", query={"all": "1"}):
        used.setdefault(container["ImageID"], []).append(container["Names"][0].lstrip("/"))
    return [{**image, "UsedBy": used.get(image["Id"], [])} for image in get(orders, "/images/json")]


def remove_image(orders: dict[str, Any]) -> Any:
    """Remove an image that nothing uses. Return whether it was there."""
    return acted(orders, "DELETE", "/images/{}".format(quote(orders["name"])))


def volumes(orders: dict[str, Any]) -> Any:
    """Return the names of the volumes that the host has."""
    return [volume["Name"] for volume in get(orders, "/volumes").get("Volumes") or ()]


def remove_volume(orders: dict[str, Any]) -> Any:
    """Remove a volume that no container uses. Return whether it was there."""
    return acted(orders, "DELETE", "/volumes/{}".format(quote(orders["name"])))


def tag(orders: dict[str, Any]) -> Any:
    """Give an image a name more, so that pruning what has none leaves it."""
    path = "/images/{}/tag".format(quote(orders["name"]))
    return acted(orders, "POST", path, query={"repo": orders["repository"], "tag": orders["tag"]})
