"""Where recipes lie, and which one a name means: ours, one of an own folder, a file, or a file of a Git commit."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from glmprov.errors import RecipeError
from glmprov.recipe.model import Recipe
from glmprov.recipe.reading import SHIPPED, read, read_shipped

FOLDER = "recipes"
VARIABLE = "GLMPROV_RECIPES"
_ENDINGS = (".yml", ".yaml")
_NOT_RECIPES = ("reasons.yml", "recipe.lock")


@dataclass(frozen=True)
class Library:
    """The recipes that can be named. folders come before ours: a recipe there may take the name of one of ours."""

    folders: tuple[Path, ...] = ()

    def find(self, name: str) -> Recipe:
        """Return the recipe that a name, an alias, a path or `git+URL@COMMIT#PATH` means.

        Raise RecipeError if there is none, with the nearest name, or if it can't be read.
        """
        if name.startswith("git+"):
            from glmprov.recipe.git_source import fetched

            return read(fetched(name), name)
        if "/" in name or name.endswith(_ENDINGS):
            return read_file(Path(name).expanduser())
        if not self.folders and name in shipped_names():
            return read_shipped(name)
        recipes = self.recipes()
        found = [each for each in recipes if name == each.name] or [
            each for each in recipes if name == each.alias
        ]
        if found:
            return found[0]
        names = [word for each in recipes for word in (each.name, each.alias) if word]
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        raise RecipeError(
            f"there is no recipe {name}" + (f"; did you mean {near[0]}?" if near else ""),
            next_step="`glmprov recipe list` shows all; a file is given by its path, ./my-recipe.yml",
        )

    def recipes(self) -> tuple[Recipe, ...]:
        """Return all recipes: those of own folders first, then those of ours whose name isn't taken.

        Raise RecipeError with the faults of all files, or if two own recipes share a name.
        """
        own = tuple(_read_all(self.folders))
        taken = {each.name for each in own}
        return (*own, *(read_shipped(name) for name in shipped_names() if name not in taken))


def library(said: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> Library:
    """Return the library of the folders given with --recipes; without, of $GLMPROV_RECIPES, else of ./recipes.

    Raise RecipeError if a folder that is named isn't there.
    """
    names = said or [part for part in environ.get(VARIABLE, "").split(os.pathsep) if part]
    folders = tuple(cwd / Path(name).expanduser() for name in names)
    missing = [folder for folder in folders if not folder.is_dir()]
    if missing:
        raise RecipeError(
            "\n".join(f"there is no folder {folder}" for folder in missing),
            place="--recipes" if said else VARIABLE,
            next_step="give a folder of recipes (*.yml)",
        )
    if not names and any(_files(cwd / FOLDER)):
        folders = (cwd / FOLDER,)
    return Library(folders)


def read_file(path: Path) -> Recipe:
    """Return the recipe in a file. Raise RecipeError if it can't be read, or with every fault that it has."""
    try:
        return read(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError as error:
        near = difflib.get_close_matches(path.name, [each.name for each in _files(path.parent)], n=1)
        raise RecipeError(
            "there is no such file" + (f"; did you mean {path.parent / near[0]}?" if near else ""),
            place=str(path),
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"can't be read: {error}", place=str(path)) from error


@cache
def shipped_names() -> tuple[str, ...]:
    """Return the names of the recipes that we ship."""
    files = sorted(each.name for each in SHIPPED.iterdir() if each.name.endswith(".yml"))
    return tuple(name.removesuffix(".yml") for name in files if name not in _NOT_RECIPES)


def _read_all(folders: Sequence[Path]) -> Iterator[Recipe]:
    """Yield the recipes of own folders; tell the faults of all of them at once."""
    faults: list[RecipeError] = []
    names: dict[str, str] = {}
    for path in (file for folder in folders for file in _files(folder)):
        try:
            recipe = read_file(path)
        except RecipeError as error:
            faults.append(error)
            continue
        for name in filter(None, (recipe.name, recipe.alias)):
            if name in names:
                faults.append(RecipeError(f"the name {name} is taken by {names[name]}", place=str(path)))
            names[name] = str(path)
        yield recipe
    if faults:
        raise RecipeError("\n".join(map(str, faults)), next_step=faults[0].next_step)


def _files(folder: Path) -> list[Path]:
    """Return the files of a folder that are recipes by their names."""
    if not folder.is_dir():
        return []
    return sorted(
        path for path in folder.iterdir() if path.suffix in _ENDINGS and path.name not in _NOT_RECIPES
    )
