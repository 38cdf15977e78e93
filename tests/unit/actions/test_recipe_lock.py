"""Where a recipe's lock lies, and what it is worth."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path

import pytest

from glmprov.actions.observe import Fleet
from glmprov.actions.recipe.lock import lock_of, lock_path, recipe_lock
from glmprov.errors import NoHostError, UsageError
from glmprov.recipe.lock import FileLock, ImageLock, ModelLock, RecipeLock
from glmprov.recipe.lock_file import write
from glmprov.recipe.reading import read_shipped

RECIPE = read_shipped("recipe-3")


def lock_for_recipe() -> RecipeLock:
    model = ModelLock(
        RECIPE.model, "a" * 40, (FileLock("config.json", 1, git_sha1="b" * 40),), RECIPE.revision
    )
    image = ImageLock(RECIPE.corrected.image or "", "sha256:" + "c" * 64, "linux/amd64")
    return RecipeLock(RECIPE.name, model, image, datetime.datetime(2026, 11, 29, tzinfo=datetime.UTC))


def test_a_lock_lies_beside_the_recipes_file_and_ours_in_the_current_folder(tmp_path: Path) -> None:
    assert lock_path(RECIPE, tmp_path) == tmp_path / "recipe.lock"
    (tmp_path / "own").mkdir()
    (tmp_path / "own/mine.yml").touch()
    assert lock_path(replace(RECIPE, place="own/mine.yml"), tmp_path) == tmp_path / "own/recipe.lock"
    git = replace(RECIPE, place=f"git+https://host/x.git@{'a' * 40}#x.yml")
    assert lock_path(git, tmp_path) == tmp_path / "recipe.lock"


def test_a_lock_is_found_with_what_moved_since(tmp_path: Path) -> None:
    assert lock_of(RECIPE, tmp_path) == (None, ())
    write(tmp_path / "recipe.lock", lock_for_recipe())
    assert lock_of(RECIPE, tmp_path) == (lock_for_recipe(), ())
    found, faults = lock_of(replace(RECIPE, revision="v2"), tmp_path)
    assert found is not None and len(faults) == 1


def test_nothing_is_asked_for_what_serves_nothing_or_without_a_host(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to lock"):
        recipe_lock(Fleet(()), read_shipped("recipe-5"))
    with pytest.raises(NoHostError):
        recipe_lock(Fleet(()), RECIPE)
