"""An instance in a container → the `docker run` that its unit starts. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from glmprov.engines.meaning import engine_of
from glmprov.instance.files import environment_path, log_path, moe_folder
from glmprov.instance.log import quieting
from glmprov.instance.model import CACHE_IN_CONTAINER, MODELS_IN_CONTAINER, MOE_IN_CONTAINER, Instance
from glmprov.instance.ranges import ranges
from glmprov.instance.started import in_container, key_rendering, published, started
from glmprov.recipe import Value, words

DOCKER = "/usr/bin/docker"
CACHE_VOLUME = "glmprov-jit-"
"""What the volume for compiled kernels is called, before the image's digest."""

LONG = {"p": "publish", "v": "volume", "e": "env", "d": "detach", "i": "interactive", "t": "tty", "net": "network",
        "w": "workdir", "u": "user", "h": "hostname", "m": "memory"}  # fmt: skip
"""Docker's short options that a recipe may hold."""

OURS = frozenset(
    {"rm", "name", "gpus", "restart", "detach", "interactive", "tty", "it", "pull", "env-file", "publish", "volume"}
)  # fmt: skip
"""Options that are decided here: systemd starts the container again, and it waits for no terminal."""

DEFAULTS: Mapping[str, Value] = {"ipc": "host", "ulimit": ("memlock=-1", "stack=67108864")}
"""What every published launch of these engines gives (local-inference-lab/rtx6kpro, docker-images.md)."""


def docker_argv(instance: Instance) -> tuple[str, ...]:
    """Return the command that runs the instance's container in the foreground. Raise ValueError without an image."""
    if instance.image is None:
        raise ValueError(f"{instance.name} runs from a virtual environment")
    command = started(instance).argv()
    options = {**_fixed(instance), **_theirs(instance)}
    if instance.launch.launcher and options.setdefault("entrypoint", command[0]) == command[0]:
        # An image's own entry point may be the engine's command already, or something around it.
        command = command[1:]
    return (DOCKER, "run", *words(options), instance.image.pinned, *command)


def _fixed(instance: Instance) -> dict[str, Value]:
    """Return the options that are the instance's own."""
    options: dict[str, Value] = {
        "rm": True,
        "pull": "never",
        "name": instance.container,
        # Docker reads the value as a line of CSV, so a list of cards wants quotes of its own.
        "gpus": f'"device={",".join(instance.gpus)}"',
        "network": "bridge" if published(instance) else "host",
        **DEFAULTS,
    }
    if published(instance):
        inside = started(instance)
        engine = engine_of(inside)
        options["publish"] = (
            f"{instance.listen}:{instance.port}:{engine.number(inside, 'port', engine.default_port)}"
        )
    if instance.cpus:
        options["cpuset-cpus"] = ranges(instance.cpus)
    if instance.nodes:
        options["cpuset-mems"] = ranges(instance.nodes)
    rendering = key_rendering(instance)
    files = [environment_path(instance), *([rendering.path] if rendering and rendering.environment else [])]
    return options | {"env-file": tuple(files), "volume": tuple(_volumes(instance))}


def _volumes(instance: Instance) -> list[str]:
    """Return what is mounted: weights, the cache of what is compiled, our files, and the recipe's own volumes."""
    weights, rendering = instance.weights, key_rendering(instance)
    mounted = [f"{weights.folder}:{MODELS_IN_CONTAINER}/{weights.name}:ro"]
    if engine_of(instance.launch).caches and instance.image is not None:
        # Kernels of another image must not be found: they gave NaN (rtx6kpro, common-issues.md).
        mounted.append(f"{CACHE_VOLUME}{instance.image.short_digest}:{CACHE_IN_CONTAINER}")
    if instance.moe is not None:
        mounted.append(f"{moe_folder(instance)}:{MOE_IN_CONTAINER}:ro")
    if rendering is not None and not rendering.environment:
        mounted.append(f"{rendering.path}:{in_container(rendering.path)}:ro")
    if quieting(instance) is not None:
        mounted.append(f"{log_path(instance)}:{in_container(log_path(instance))}:ro")
    theirs = next((v for n, v in instance.launch.options.items() if LONG.get(n, n) == "volume"), ())
    given = theirs if isinstance(theirs, tuple) else (theirs,) if isinstance(theirs, str) else ()
    return mounted + [volume for volume in given if not _models(volume)]


def _models(volume: str) -> bool:
    """Say whether a volume of the recipe is its author's folder of models, in whose place ours is mounted."""
    return volume.split(":")[1:2] == [MODELS_IN_CONTAINER]


def _theirs(instance: Instance) -> dict[str, Value]:
    """Return the recipe's own options, as far as they are its to decide."""
    named = {LONG.get(name, name): value for name, value in instance.launch.options.items()}
    return {name: value for name, value in named.items() if name not in OURS}
