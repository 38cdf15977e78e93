"""A recipe's file → a recipe, or every fault at once, each with file, line and key."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from glmprov.errors import RecipeError
from glmprov.recipe.building import Fault, Key, Reasons, built
from glmprov.recipe.model import Recipe
from glmprov.recipe.yaml_text import lines, parsed, twice

SHIPPED = Path(__file__).parents[1] / "recipes"
"""The recipes that we ship."""
SCHEMA = "docs/recipe.schema.json"


@dataclass(frozen=True)
class _File:
    text: str
    place: str

    def said(self, faults: Sequence[Fault]) -> RecipeError:
        """Return the error that tells all faults, in the order in which they stand in the file."""
        at = lines(self.text)
        told = sorted({(_line(at, fault.path), _key(fault.path), fault.text) for fault in faults})
        told_lines = (
            ": ".join(filter(None, (f"{self.place}:{line}", key, text))) for line, key, text in told
        )
        return RecipeError("\n".join(told_lines), next_step=f"see {SCHEMA} and `glmprov recipe new`")


def read(text: str, place: str) -> Recipe:
    """Given the text of a recipe's file, return the recipe. place is what errors call the file.

    Raise RecipeError with every fault, each with its line and key.
    """
    file = _File(text, place)
    content = _content(file)
    faults = [Fault(path, f"stands here a second time (line {line})") for path, line in twice(text)]
    faults += _by_model(content)
    if faults:
        # What else is wrong is told too, as far as the file has the shape for it.
        with suppress(AttributeError, KeyError, TypeError, ValueError):
            built(content, place, shipped_reasons(), faults)
        raise file.said(faults)
    return _built(file, content)


def read_shipped(name: str) -> Recipe:
    """Return a recipe that we ship. Its file is held to the model by a test, which costs no time here."""
    file = _File(SHIPPED.joinpath(f"{name}.yml").read_text(encoding="utf-8"), f"{name}.yml")
    return _built(file, _content(file))


@cache
def shipped_reasons() -> Reasons:
    """Return the reasons that recipes may name with `because`, and the sources that they rest on."""
    content = parsed(SHIPPED.joinpath("reasons.yml").read_text(encoding="utf-8"))
    return Reasons(content["reasons"], content["sources"])


def _content(file: _File) -> Mapping[str, Any]:
    from yaml import YAMLError

    try:
        content = parsed(file.text)
    except YAMLError as error:
        mark, began = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        context = getattr(error, "context", None)
        since = f", {context} that begins in line {began.line + 1}" if context and began else ""
        what = f"no YAML: {problem}{since}"
        raise RecipeError(what, place=f"{file.place}:{mark.line + 1}" if mark else file.place) from error
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise RecipeError(
            "no recipe: a mapping of keys is wanted", place=f"{file.place}:1", next_step=f"see {SCHEMA}"
        )
    return content


def _built(file: _File, content: Mapping[str, Any]) -> Recipe:
    faults: list[Fault] = []
    recipe = built(content, file.place, shipped_reasons(), faults)
    if recipe is None or faults:
        raise file.said(faults)
    return recipe


def _by_model(content: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what the model finds wrong, in our words and not in pydantic's."""
    from pydantic import ValidationError

    from glmprov.recipe.document import Document

    try:
        Document.model_validate(content)
    except ValidationError as error:
        for item in error.errors():
            path = tuple(part for part in item["loc"] if part != "[key]")
            yield Fault(path, _words(item["type"], item["msg"], path))


def _words(kind: str, message: str, path: Sequence[Key]) -> str:
    match kind:
        case "extra_forbidden":
            near = difflib.get_close_matches(str(path[-1]), _keys_beside(path), n=1)
            return (
                f"there is no such key; did you mean {near[0]}?"
                if near
                else (f"there is no such key; there are {', '.join(_keys_beside(path))}")
            )
        case "missing":
            return "is missing"
        case "value_error":
            return message.removeprefix("Value error, ")
    return message.replace("Input should be", "should be")


def _keys_beside(path: Sequence[Key]) -> list[str]:
    """Return the keys that the part of the document may have in which a path ends."""
    from typing import get_args

    from glmprov.recipe.document import Document

    model: Any = Document
    for part in path[:-1]:
        if isinstance(part, str) and part in getattr(model, "model_fields", {}):
            annotation = model.model_fields[part].annotation
            model = next(
                (each for each in (annotation, *get_args(annotation)) if hasattr(each, "model_fields")), model
            )
    return list(model.model_fields)


def _line(at: Mapping[tuple[Key, ...], int], path: tuple[Key, ...]) -> int:
    """Return the line of a path, or of what it would belong to."""
    while path and path not in at:
        path = path[:-1]
    return at.get(path, 1)


def _key(path: Sequence[Key]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")
