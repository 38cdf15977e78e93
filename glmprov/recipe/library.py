"""Where recipes lie, and which one a name means: ours, one of an own folder, a file, or a file of a Git commit."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
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

        Raise RecipeError if there is none, with the nearest name, or if it can't be read. A file that can't be read
        stands in the way only of what it may be: the recipe that its name says, or one that isn't found.
        """
        if name.startswith("git+"):
            from glmprov.recipe.git_source import fetched

            return read(fetched(name), name)
        if "/" in name or name.endswith(_ENDINGS):
            return read_file(Path(name).expanduser())
        if not self.folders and name in shipped_names():
            return read_shipped(name)
        recipes, fault = self.readable()
        found = [each for each in recipes if name == each.name] or [
            each for each in recipes if name == each.alias
        ]
        if found and (fault is None or name not in fault.names):
            return found[0]
        if fault is not None:
            raise fault
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
        recipes, fault = self.readable()
        if fault is not None:
            raise fault
        return recipes

    def readable(self) -> tuple[tuple[Recipe, ...], FolderError | None]:
        """Return the recipes that can be read, as recipes() does, and the faults of the others."""
        own, fault = _read_all(self.folders)
        taken = {each.name for each in own}
        return (*own, *(read_shipped(name) for name in shipped_names() if name not in taken)), fault


class FolderError(RecipeError):
    """Files of own folders are no recipes, or two have one name. names are those that the recipes may have."""

    def __init__(self, faults: Sequence[RecipeError], names: frozenset[str]) -> None:
        super().__init__("\n".join(map(str, faults)), next_step="mend it, or move it out of the folder")
        self.names = names


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
        others = [
            each.name for each in _files(path.parent) if each.name != path.name
        ]  # itself: a dangling link
        near = difflib.get_close_matches(path.name, others, n=1)
        raise RecipeError(
            "there is no such file" + (f"; did you mean {path.parent / near[0]}?" if near else ""),
            place=str(path),
        ) from error
    except UnicodeDecodeError as error:
        raise RecipeError("can't be read: it isn't UTF-8 text", place=str(path)) from error
    except OSError as error:
        raise RecipeError(f"can't be read: {error.strerror}", place=str(path)) from error


@cache
def shipped_names() -> tuple[str, ...]:
    """Return the names of the recipes that we ship."""
    files = sorted(each.name for each in SHIPPED.iterdir() if each.name.endswith(".yml"))
    return tuple(name.removesuffix(".yml") for name in files if name not in _NOT_RECIPES)


def _read_all(folders: Sequence[Path]) -> tuple[tuple[Recipe, ...], FolderError | None]:
    """Return the recipes of own folders, and the faults of all files at once."""
    recipes: list[Recipe] = []
    faults: list[RecipeError] = []
    doubtful: set[str] = set()
    names: dict[str, str] = {}
    for path in (file for folder in folders for file in _files(folder)):
        try:
            recipe = read_file(path)
        except RecipeError as error:
            faults.append(error)
            doubtful.add(path.stem)
            continue
        for name in filter(None, (recipe.name, recipe.alias)):
            if name in names:
                faults.append(RecipeError(f"the name {name} is taken by {names[name]}", place=str(path)))
                doubtful.add(name)
            names[name] = str(path)
        recipes.append(recipe)
    return tuple(recipes), FolderError(faults, frozenset(doubtful)) if faults else None


def _files(folder: Path) -> list[Path]:
    """Return the files of a folder that are recipes by their names."""
    if not folder.is_dir():
        return []
    return sorted(
        path for path in folder.iterdir() if path.suffix in _ENDINGS and path.name not in _NOT_RECIPES
    )
