"""An instance's environment, layer by layer, each value with its origin. Pure.

Host profile < the image's own < recipe < inventory < --set. What the image itself sets isn't written again; a value of
the host's profile that the image sets too is left to the image.
"""

from __future__ import annotations

from collections.abc import Mapping

from glmprov.engines.meaning import Engine
from glmprov.engines.rendering import KEY
from glmprov.instance.model import CACHE_IN_CONTAINER, Image, Variable
from glmprov.recipe import Launch

ORIGINS = {"published": "recipe", "correction": "recipe"}
"""What a person calls the origin of what stands in a recipe."""


def environment(
    engine: Engine, profile: Mapping[str, str], image: Image | None, launch: Launch, cache: str
) -> tuple[dict[str, Variable], tuple[str, ...]]:
    """Return the variables, and what a person should know. profile is the host's NCCL environment.

    cache is the folder for what is compiled, as the engine sees it. A variable that holds the key isn't among them.
    """
    own = (image.environment if image else None) or {}
    below = {name: Variable(value, "glmprov") for name, value in engine.defaults.items()}
    below |= {n: Variable(f"{cache}/{folder}", "glmprov") for n, folder in engine.caches.items()}
    below |= {name: Variable(value, "host profile") for name, value in profile.items()}
    said = {name: Variable(value, _origin(launch, name)) for name, value in launch.environment.items()}
    variables = {name: variable for name, variable in below.items() if name not in own} | said
    notes = tuple(
        f"{name}: the image sets {own[name]}, so the host profile's {value} doesn't count"
        for name, value in profile.items()
        if name in own and name not in said and own[name] != value
    )
    return {name: variable for name, variable in variables.items() if KEY not in variable.value}, notes


def cache_folder(in_container: bool, name: str) -> str:
    """Return where an instance keeps what is compiled, as its engine sees it."""
    return CACHE_IN_CONTAINER if in_container else f"/var/cache/glmprov/{name}"


def _origin(launch: Launch, name: str) -> str:
    origin = launch.origin(f"environment.{name}")
    return ORIGINS.get(origin, origin)
