"""recipe.lock: the locks of the recipes of a folder, one file, readable and with a stable order."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from glmprov.errors import UsageError
from glmprov.recipe.lock import FileLock, ImageLock, ModelLock, RecipeLock

NAME = "recipe.lock"
HEADER = (
    "# Made by `glmprov recipe lock`: what each recipe's image and model are, byte for byte. Commit it.\n"
)


def _inside(path: str) -> str:
    parts = path.split("/")
    if not all(parts) or {".", ".."} & set(parts) or "\\" in path or not path.isprintable():
        raise ValueError("is no path inside the model's folder")
    return path


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class _File(_Part):
    path: Annotated[str, AfterValidator(_inside)]
    size_bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    git_sha1: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = None


class _Model(_Part):
    id: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    asked: str | None = None
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    shards: tuple[_File, ...]
    files: tuple[_File, ...] = ()


class _Image(_Part):
    asked: str
    digest: Digest
    config: Digest | None = None
    platform: str
    compressed_bytes: int | None = None


class _Lock(_Part):
    resolved: datetime.datetime
    host: str = ""
    hub: str = ""
    image: _Image | None = None
    model: _Model


class _Document(_Part):
    version: Literal[1]
    recipes: dict[str, _Lock]


def read(path: Path) -> Mapping[str, RecipeLock]:
    """Return the locks of a file by recipe, none if there is no file. Raise UsageError if it isn't one of ours."""
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        place = getattr(error, "problem_mark", None)
        line = f":{place.line + 1}" if place else ""
        raise UsageError(
            f"can't be read: {getattr(error, 'problem', None) or error}", place=f"{path}{line}"
        ) from error
    try:
        document = _Document.model_validate(content)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise UsageError(
            "is no recipe.lock that we can read:\n" + "\n".join(faults),
            place=str(path),
            next_step="make it anew: glmprov recipe lock NAME",
        ) from error
    return {name: _lock(name, lock) for name, lock in document.recipes.items()}


def write(path: Path, lock: RecipeLock) -> None:
    """Put a recipe's lock into the file, in one step; other recipes' locks stay. Raise UsageError if it can't be."""
    if path.exists() and not path.is_file():
        raise UsageError("is no file", place=str(path), next_step="name a file with -o")
    locks = {**read(path), lock.recipe: lock}
    path = path.resolve()
    fresh = path.with_name(f".{path.name}.new")
    try:
        fresh.write_text(text(locks), encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        raise UsageError(
            f"can't be written: {error.strerror}", place=str(path), next_step="name another file with -o"
        ) from error


def text(locks: Mapping[str, RecipeLock]) -> str:
    """Return locks as a file's text: recipes by name, a line for each file of a model."""
    lines = [HEADER, "version: 1\nrecipes:\n"]
    for name, lock in sorted(locks.items()):
        lines.append(f"  {_scalar(name)}:\n")
        resolved = lock.resolved.astimezone(datetime.UTC).isoformat(timespec="seconds")
        lines += _fields("    ", {"resolved": resolved, "host": lock.host, "hub": lock.hub})
        if lock.image is not None:
            image = lock.image
            lines.append("    image:\n")
            lines += _fields("      ", {
                "asked": image.asked, "digest": image.digest, "config": image.config,
                "platform": image.platform, "compressed_bytes": image.compressed_bytes,
            })  # fmt: skip
        model = lock.model
        lines.append("    model:\n")
        lines += _fields("      ", {"id": model.id, "asked": model.asked, "revision": model.revision})
        others = tuple(file for file in model.files if not file.is_shard)
        lines += _files("shards", model.shards) + _files("files", others)
    return "".join(lines)


def _fields(indent: str, values: Mapping[str, object]) -> list[str]:
    return [
        f"{indent}{name}: {_scalar(value)}\n" for name, value in values.items() if value not in (None, "")
    ]


def _files(name: str, files: tuple[FileLock, ...]) -> list[str]:
    def line(file: FileLock) -> str:
        values = {name: value for name, value in vars(file).items() if value is not None}
        return f"        - {_scalar(values)}\n"

    return [f"      {name}:\n", *map(line, files)] if files else [f"      {name}: []\n"]


def _scalar(value: object) -> str:
    """Return a value as YAML reads it back: JSON is YAML."""
    return json.dumps(value, ensure_ascii=False)


def _lock(name: str, said: _Lock) -> RecipeLock:
    image = ImageLock(**said.image.model_dump()) if said.image else None
    files = tuple(FileLock(**file.model_dump()) for file in (*said.model.shards, *said.model.files))
    model = ModelLock(said.model.id, said.model.revision, files, said.model.asked)
    ordered = replace(model, files=tuple(sorted(files, key=lambda file: file.path)))
    return RecipeLock(name, ordered, image, said.resolved, said.host, said.hub)
