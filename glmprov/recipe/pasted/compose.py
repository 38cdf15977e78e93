"""A compose file → what its engine's service launches. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from glmprov.errors import RecipeError
from glmprov.recipe.container import Pasted, in_image
from glmprov.recipe.launch import Value

_SAME = frozenset(
    {
        "ipc",
        "shm_size",
        "privileged",
        "runtime",
        "init",
        "cap_add",
        "cap_drop",
        "security_opt",
        "user",
        "pid",
        "gpus",
    }
    | {"hostname", "tmpfs", "group_add", "read_only", "platform"}
)
"""Keys of a service that `docker run` has as an option of the same name, with dashes."""
_OTHERS: Mapping[str, str] = {
    "network_mode": "network", "container_name": "name", "devices": "device", "working_dir": "workdir",
    "cpuset": "cpuset-cpus", "extra_hosts": "add-host", "ports": "p", "volumes": "v", "pull_policy": "pull",
    "mem_limit": "memory",
}  # fmt: skip
"""Keys of a service, and the option of `docker run` that says the same."""
_NOT_OURS = (
    "restart",
    "healthcheck",
    "depends_on",
    "logging",
    "labels",
    "profiles",
    "stdin_open",
    "tty",
    "networks",
)
"""What deploy decides, or what is about other services."""
_READ = ("image", "command", "entrypoint", "environment", "ulimits", "deploy")
_VARIABLE = re.compile(r"\$\{(\w+)(?::?-([^}]*))?\}|\$(\w+)")


def is_compose(text: str) -> bool:
    """Say whether a text looks like a compose file."""
    return re.search(r"^services:\s*$", text, re.MULTILINE) is not None


def from_compose(text: str, place: str) -> Pasted:
    """Return what the one service launches that is an engine. Raise RecipeError for none, several, or broken YAML."""
    from yaml import YAMLError

    from glmprov.recipe.yaml_text import parsed

    try:
        content = parsed(text)
        services = {name: each for name, each in content["services"].items() if isinstance(each, dict)}
    except (YAMLError, AttributeError, KeyError, TypeError) as error:
        raise RecipeError(f"no compose file: {str(error).splitlines()[0]}", place=place) from error
    found = {
        name: _service(name, each) for name, each in services.items() if isinstance(each.get("image"), str)
    }
    engines = {name: each for name, each in found.items() if each.launch.engine != "image"} or found
    if len(engines) != 1:
        names = ", ".join(engines)
        what = f"several services could be meant: {names}" if engines else "no service has an image"
        raise RecipeError(what, place=place, next_step="paste the file with one service")
    name, pasted = next(iter(engines.items()))
    others = [f"left out: service {other}" for other in services if other != name]
    return replace(pasted, notes=(*others, *pasted.notes))


def _service(name: str, said: Mapping[str, Any]) -> Pasted:
    notes: list[str] = []
    filled = partial(_filled, notes)
    options: dict[str, Value] = {}
    for key, value in said.items():
        place = f"services.{name}.{key}"
        if key in _SAME or key in _OTHERS:
            options |= _option(_OTHERS.get(key, key.replace("_", "-")), value, filled, notes, place)
        elif key in ("env_file", "build"):
            notes.append(f"to do: {place} isn't at hand, write what it says")
        elif key not in _READ:
            notes.append(f"{'left out' if key in _NOT_OURS else 'not understood'}: {place}")
    options |= _ulimits(said.get("ulimits")) | _gpus(said.get("deploy"))
    entry = _words(said.get("entrypoint"), filled)
    if entry:
        options = {"entrypoint": entry[0], **options}
    pasted = in_image(
        filled(said["image"]),
        (*entry[1:], *_words(said.get("command"), filled)),
        options,
        dict(_environment(said.get("environment"), filled, notes)),
    )
    return replace(pasted, notes=(*notes, *pasted.notes))


def _filled(notes: list[str], text: str) -> str:
    """Return a text with the defaults of its variables. What has none is told, and stays."""

    def value(found: re.Match[str]) -> str:
        if found.group(2) is not None:
            return found.group(2)
        notes.append(f"to do: {found.group(0)} isn't known here, write its value")
        return found.group(0)

    return "$".join(_VARIABLE.sub(value, part) for part in text.split("$$"))


def _option(
    option: str, value: Any, filled: Callable[[str], str], notes: list[str], place: str
) -> dict[str, Value]:
    if isinstance(value, bool):
        return {option: True} if value else {}
    if isinstance(value, str):
        return {option: filled(value)}
    items: list[Any] = value if isinstance(value, list) else []
    read: list[Any] = [_volume(item) if isinstance(item, dict) else item for item in items]
    texts: list[str] = [each for each in read if isinstance(each, str)]
    if not texts or len(texts) < len(items):
        notes.append(f"not understood: {place}")
        return {}
    return {option: filled(texts[0]) if len(texts) == 1 else tuple(filled(each) for each in texts)}


def _volume(said: Mapping[str, Any]) -> str | None:
    """Return a volume's or port's long form in its short form."""
    if "target" not in said:
        return None
    source = said.get("source", said.get("published"))
    readonly = ":ro" if said.get("read_only") is True else ""
    return f"{source}:{said['target']}{readonly}" if source else None


def _ulimits(said: Any) -> dict[str, Value]:
    if not isinstance(said, dict):
        return {}
    texts = [
        f"{name}={value['soft']}:{value['hard']}" if isinstance(value, dict) else f"{name}={value}"
        for name, value in said.items()
        if not isinstance(value, dict) or {"soft", "hard"} <= set(value)
    ]
    return {"ulimit": texts[0] if len(texts) == 1 else tuple(texts)} if texts else {}


def _gpus(said: Any) -> dict[str, Value]:
    """Return --gpus for the devices that a service reserves."""
    try:
        device = said["resources"]["reservations"]["devices"][0]
        if device.get("device_ids"):
            return {"gpus": f'"device={",".join(device["device_ids"])}"'}
        return {"gpus": str(device.get("count", "all"))}
    except (AttributeError, IndexError, KeyError, TypeError):
        return {}


def _words(said: Any, filled: Callable[[str], str]) -> Sequence[str]:
    if isinstance(said, str):
        return [filled(word) for word in shlex.split(re.sub(r"\\\n", " ", said))]
    return [filled(str(word)) for word in said] if isinstance(said, list) else []


def _environment(said: Any, filled: Callable[[str], str], notes: list[str]) -> Iterator[tuple[str, str]]:
    pairs = said.items() if isinstance(said, dict) else [str(each).partition("=")[::2] for each in said or ()]
    for name, value in pairs:
        text = str(value).lower() if isinstance(value, bool) else value
        if not text:
            notes.append(f"to do: {name} comes from somebody's environment, give it a value")
        else:
            yield name, filled(text)
