"""The words of a command → what it launches. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from glmprov.recipe.arguments import arguments, launcher_of, takes_model
from glmprov.recipe.container import Pasted, docker_options, in_image, split
from glmprov.recipe.launch import Launch

__all__ = ["Pasted", "split", "understood"]

_ASSIGNMENT = re.compile(r"^[A-Za-z_]\w*=")


def understood(words: Sequence[str], environment: Mapping[str, str] | None = None) -> Pasted:
    """Given the words of `docker run …`, `vllm serve …`, `python -m sglang.launch_server …`, return the launch.

    environment is what was exported before. Raise ValueError if the words start nothing that we know.
    """
    assigned: dict[str, str] = dict(environment or {})
    rest = list(words)
    while rest and _ASSIGNMENT.match(rest[0]):
        name, _, value = rest.pop(0).partition("=")
        assigned[name] = value
    if not rest:
        raise ValueError("no command is there")
    if rest[0].rpartition("/")[2] in ("docker", "podman", "nerdctl"):
        return _container(rest, assigned)
    engine, launcher = launcher_of(rest)
    if not engine:
        raise ValueError(f"{' '.join(rest[:3])} starts no engine that we know")
    read = arguments(rest[len(launcher) :], positional=takes_model(engine, launcher))
    launch = Launch(engine, "", launcher, read.values, assigned)
    return Pasted(launch, tuple(read.notes))


def _container(words: Sequence[str], assigned: Mapping[str, str]) -> Pasted:
    rest = list(words[1:])
    if rest[:1] == ["container"]:
        rest.pop(0)
    if not rest or rest.pop(0) not in ("run", "create"):
        raise ValueError(f"{' '.join(words[:2])} runs no container: give `docker run …`")
    options, environment = docker_options(rest)
    if not rest:
        raise ValueError("`docker run` names no image")
    notes = list(options.notes)
    for name in assigned:
        notes.append(f"{name} is set for docker itself and never reaches the engine: left out")
    pasted = in_image(rest[0], rest[1:], options.values, environment)
    return replace(pasted, notes=(*notes, *pasted.notes))
