"""Where a recipe's lock lies, and what it is worth."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from glmprov.actions.observe import Fleet
from glmprov.actions.recipe.lock import lock_of, lock_path, recipe_lock, resolved
from glmprov.errors import HubDownError, NoHostError, UsageError
from glmprov.inventory import Host
from glmprov.recipe.lock import FileLock, ImageLock, ModelLock, RecipeLock
from glmprov.recipe.lock_file import write
from glmprov.recipe.reading import read_shipped
from glmprov.remote import Channel, Completed, connect
from tests.unit.operate.hub_stub import COMMIT, MODEL, Hub, serve

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


class WithoutNetwork:
    """A channel to this machine whose programs see no network."""

    def __init__(self) -> None:
        self._channel = connect(Host("gpu-1", {"ansible_connection": "local"}))

    def run(self, argv: Sequence[str], **how: Any) -> Completed:
        return self._channel.run(["unshare", "--net", *argv], **how)


@pytest.mark.skipif(os.geteuid() != 0, reason="a network of one's own needs root")
def test_a_hub_that_the_host_does_not_reach_is_asked_from_here() -> None:
    files = {"config.json": b"{}", "model.safetensors": b"x" * 100}
    recipe, said = replace(RECIPE, model=MODEL, revision=None), []
    launch, cut_off = replace(RECIPE.corrected, image=None), cast(Channel, WithoutNetwork())
    with serve(Hub(files)) as hub:
        lock = resolved(cut_off, "gpu-1", recipe, launch, hub.url, None, lambda host, text: said.append(text))
    assert (lock.model.revision, {file.path for file in lock.model.files}) == (COMMIT, set(files))
    assert any("the hub can't be asked" in text and text.endswith("asking it from here") for text in said)
    with pytest.raises(HubDownError, match="nor is it told here") as caught:
        resolved(cut_off, "gpu-1", recipe, launch, hub.url)
    assert "make recipe.lock where a hub is reached" in (caught.value.next_step or "")
