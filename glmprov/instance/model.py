"""An instance: one running backend on one host, decided to the last value. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from glmprov.recipe import Gate, Launch

UNIT_PREFIX = "glmprov-"
HOME = "/etc/glmprov/instances"
STATE_HOME = "/var/lib/glmprov/instances"
GATE_PROGRAM = "/usr/local/lib/glmprov/gate"
MODELS_IN_CONTAINER = "/models"
CACHE_IN_CONTAINER = "/var/cache/glmprov"
KEYS_IN_CONTAINER = "/run/glmprov"
MOE_IN_CONTAINER = "/etc/glmprov/moe"

Runtime = Literal["container", "venv"]


@dataclass(frozen=True)
class Variable:
    """An environment variable and who set it: "host profile", "recipe", "inventory", "--set", …"""

    value: str
    origin: str


@dataclass(frozen=True)
class Image:
    """A container image. reference is what a person wrote, digest the registry's, image_id the host's own.

    environment is what the image itself sets, None while nobody has looked.
    """

    reference: str
    digest: str | None = None
    image_id: str | None = None
    environment: Mapping[str, str] | None = None

    @property
    def pinned(self) -> str:
        """What Docker is given: the repository at its digest; without one, a loaded image's id or the reference."""
        if self.digest:
            return f"{repository(self.reference)}@{self.digest}"
        return self.image_id or self.reference

    @property
    def short_digest(self) -> str:
        """Twelve digits that tell this image from others."""
        return (self.digest or self.image_id or "unlocked").removeprefix("sha256:")[:12]


def repository(reference: str) -> str:
    """Return an image's reference without tag and digest: "registry:5000/vllm:v1" → "registry:5000/vllm"."""
    name = reference.partition("@")[0]
    head, slash, tail = name.rpartition("/")
    return head + slash + tail.partition(":")[0]


@dataclass(frozen=True)
class Weights:
    """A model on the host: its id, its revision, the folder that holds it, and the digest of its manifest."""

    model: str
    revision: str
    folder: str
    digest: str = ""

    @property
    def name(self) -> str:
        """The last part of the id, by which the folder goes in a container."""
        return self.model.rstrip("/").rpartition("/")[2] or "model"


@dataclass(frozen=True)
class Locked:
    """What a recipe was resolved to. None: not resolved yet."""

    image: Image | None = None
    weights: Weights | None = None


@dataclass(frozen=True)
class TunedFile:
    """A recipe's own file for the fused-MoE kernel, and where the engine looks for it, below its folder.

    files are one for each edition among the cards, all with the same text.
    """

    files: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Taken:
    """What another instance of the host has."""

    name: str
    gpus: tuple[str, ...]
    port: int


@dataclass(frozen=True)
class Instance:
    """One running backend with a name, as it is put on its host. No secret is in it.

    launch is the recipe's final form with the origin of each value, before the host's own values are filled in; gpus
    are UUIDs. cpus and nodes are those of the cards' socket, empty where the instance isn't bound. listen is an
    address of the host, or 0.0.0.0. environment is everything but what the image itself sets, and but the key.
    """

    name: str
    recipe: str
    launch: Launch
    gpus: tuple[str, ...]
    listen: str
    port: int
    served_name: str
    weights: Weights
    image: Image | None = None
    venv: str | None = None
    cpus: tuple[int, ...] = ()
    nodes: tuple[int, ...] = ()
    environment: Mapping[str, Variable] = field(default_factory=dict)
    auth: Literal["key", "none"] = "key"
    gate: Gate = field(default_factory=Gate)
    stop_seconds: int = 60
    moe: TunedFile | None = None
    form: Literal["corrected", "as published"] = "corrected"
    notes: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """The name of its systemd unit."""
        return f"{UNIT_PREFIX}{self.name}.service"

    @property
    def container(self) -> str:
        """The name of its container."""
        return f"{UNIT_PREFIX}{self.name}"

    @property
    def home(self) -> str:
        """The folder of its files on the host."""
        return f"{HOME}/{self.name}"

    @property
    def key_file(self) -> str | None:
        """The file that holds its API key and nothing else. None: it asks for none."""
        return f"{self.home}/key" if self.auth == "key" else None
