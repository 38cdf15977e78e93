"""Make a recipe's file of what somebody pasted."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from glmprov.engines.meaning import engine_of
from glmprov.recipe import Change, Launch, changed
from glmprov.recipe.command import split, understood
from glmprov.recipe.pasted import from_text
from glmprov.recipe.shell import text as shell_text

_SECRET = re.compile(r"(TOKEN|SECRET|PASSWORD|API_KEY)$")
"""Variables whose values don't belong into a file that is shared."""


@dataclass(frozen=True)
class Head:
    """What a pasted text doesn't say of itself. None: taken from what it launches, or left to be written."""

    name: str
    author: str
    date: datetime.date
    source: str
    model: str | None = None


def recipe_import(text: str, place: str, head: Head) -> str:
    """Given a pasted text, return the text of a recipe's file; what was left out stands in it as comments.

    Raise RecipeError if the text launches nothing that we know, or more than one thing.
    """
    pasted = from_text(text, place)
    secrets = _secrets(pasted.launch)
    launch = changed(pasted.launch, secrets, "import")
    notes = [
        *pasted.notes,
        *(f"left out: {name}, for a key is no business of a recipe" for name in _named(secrets)),
    ]
    model = head.model or _model(launch)
    if model is None:
        notes.append("to do: write the model's id on the hub")
    if launch.engine == "image":
        notes.append("to do: write how many GPUs it needs")
    content = {
        "name": head.name,
        "title": f"{model or 'A model'} on {launch.engine}, as published by {head.author}",
        "author": head.author,
        "date": head.date.isoformat(),
        "model": model or "OWNER/MODEL",
        "requires": {"gpus": str(_gpus(launch))},
        "published": _published(launch, pasted.text),
        "corrections": [],
        "sources": {"published": head.source},
    }
    comments = "".join(f"# {line}\n" for note in notes for line in note.splitlines())
    return comments + _yaml(content)


def _secrets(launch: Launch) -> Change:
    """Return the change that takes keys and passwords out of a launch."""
    engine = engine_of(launch)
    argument = engine.name_in(launch, "api_key")
    names = [name for name, value in launch.environment.items() if _SECRET.search(name) and value != "{key}"]
    return Change(arguments={} if argument is None else {argument: None}, environment=dict.fromkeys(names))


def _named(change: Change) -> Iterator[str]:
    yield from (f"--{name}" for name in change.arguments)
    yield from change.environment


def _model(launch: Launch) -> str | None:
    """Return the model's id, if the launch names one and not a folder."""
    said = engine_of(launch).given(launch, "model")
    return said if isinstance(said, str) and re.fullmatch(r"[\w.-]+/[\w.-]+", said) else None


def _gpus(launch: Launch) -> int:
    """Return how many cards the launch's own shape needs."""
    engine, count = engine_of(launch), 1
    for meaning in ("tensor_parallel", "pipeline_parallel", "data_parallel"):
        try:
            count *= engine.number(launch, meaning)
        except ValueError:
            continue
    return count


def _published(launch: Launch, pasted: str) -> Mapping[str, Any]:
    """Return the launch as a command that reads back the same, as it was pasted if it can be; else its parts."""
    version = {"version": launch.version} if launch.version else {}
    for text in filter(None, (pasted, shell_text(launch))):
        try:
            again = understood(split(text)).launch
        except ValueError:
            continue
        if replace(again, version="") == replace(launch, version="", origins={}):
            return {"command": text, **({} if again.version == launch.version else version)}
    parts = {
        "launcher": list(launch.launcher),
        "arguments": _listed(launch.arguments),
        "environment": dict(launch.environment),
        "image": launch.image,
        "options": _listed(launch.options),
    }
    return {"engine": launch.engine, **version, **{name: part for name, part in parts.items() if part}}


def _listed(named: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in named.items()}


def _yaml(content: Mapping[str, Any]) -> str:
    """Return YAML with commands in lines as they are typed, and without quotes that a recipe's reader needs not."""
    import yaml

    class Writer(yaml.SafeDumper):
        """Quotes only what our reader would take for something else than text."""

        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  (as its base class)

    for tag, pattern, first in (
        ("tag:yaml.org,2002:bool", r"^(?:true|false)$", "tf"),
        ("tag:yaml.org,2002:null", r"^(?:~|null|)$", ["~", "n", ""]),
    ):
        Writer.add_implicit_resolver(tag, re.compile(pattern), list(first))
    Writer.add_representer(
        str,
        lambda dumper, value: dumper.represent_scalar(
            "tag:yaml.org,2002:str",
            value,
            style="|" if "\n" in value.strip("\n") or value.endswith("\n") else None,
        ),
    )
    return yaml.dump(content, Dumper=Writer, sort_keys=False, width=100, allow_unicode=True)
