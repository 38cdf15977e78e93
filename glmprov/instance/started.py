"""An instance's launch as it is started: what the host says filled in, and how the key comes to the engine. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from glmprov.engines.meaning import engine_of
from glmprov.engines.rendering import KEY, Surroundings, rendered
from glmprov.instance.model import KEYS_IN_CONTAINER, MODELS_IN_CONTAINER, Instance
from glmprov.recipe import Launch


@dataclass(frozen=True)
class KeyRendering:
    """A file beside the key that gives it to the engine, for root only. text has {key} where the key goes.

    environment: it holds variables; else it is a file that the engine itself reads.
    """

    path: str
    text: str
    environment: bool


def started(instance: Instance) -> Launch:
    """Return the launch as it is started on its host."""
    inside = instance.image is not None
    folder = f"{MODELS_IN_CONTAINER}/{instance.weights.name}" if inside else instance.weights.folder
    rendering = key_rendering(instance)
    key_file = None
    if rendering is not None and not rendering.environment:
        key_file = in_container(rendering.path) if inside else rendering.path
    # A container whose port is published listens inside to everything; the host's address is Docker's business.
    listen = "0.0.0.0" if inside and published(instance) else instance.listen  # noqa: S104  (in its own network)
    return rendered(
        instance.launch, Surroundings(folder, instance.served_name, listen, inner_port(instance), key_file)
    )


def key_rendering(instance: Instance) -> KeyRendering | None:
    """Return the file that gives the key to the engine, None where there is no key or no way to give it."""
    if instance.auth != "key":
        return None
    engine = engine_of(instance.launch)
    if engine.api_key_file:
        return KeyRendering(
            f"{instance.home}/key.yml", f'{engine.api_key_file["key"]}: "{KEY}"\n', environment=False
        )
    variables = {n: v for n, v in instance.launch.environment.items() if KEY in v}
    if engine.api_key_environment:
        variables[engine.api_key_environment] = KEY
    if not variables:
        return None
    text = "".join(f"{name}={value}\n" for name, value in variables.items())
    return KeyRendering(f"{instance.home}/key.env", text, environment=True)


def in_container(path: str) -> str:
    """Return where a file of the instance lies in its container."""
    return f"{KEYS_IN_CONTAINER}/{path.rpartition('/')[2]}"


def published(instance: Instance) -> bool:
    """Say whether the container has a network of its own and its port is published, as the recipe asks."""
    return any(name in instance.launch.options for name in ("p", "publish"))


def inner_port(instance: Instance) -> int:
    """Return the port that the engine itself listens at."""
    if not published(instance):
        return instance.port
    launch = instance.launch
    engine = engine_of(launch)
    return engine.number(launch, "port", engine.default_port)
