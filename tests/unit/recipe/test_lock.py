"""recipe.lock: written, read, and held against a recipe that moved on."""

from __future__ import annotations

import datetime
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glmprov.errors import MovedOnError, UsageError
from glmprov.recipe import Launch, Recipe, Requirements
from glmprov.recipe.lock import FileLock, ImageLock, ModelLock, RecipeLock, moved, require, wanted_files
from glmprov.recipe.lock_file import read, text, write

RECIPE = Recipe(
    name="recipe-3",
    title="",
    kind="serve",
    author="",
    date=datetime.date(2026, 2, 1),
    model="zai-org/GLM-4.7-FP8",
    requires=Requirements(4),
    published=Launch("vllm", "0.16.0", ("vllm", "serve"), image="vllm/vllm-openai:v0.16.0"),
)
LOCK = RecipeLock(
    "recipe-3",
    ModelLock(
        "zai-org/GLM-4.7-FP8",
        "0" * 39 + "1",
        (
            FileLock("config.json", 900, git_sha1="b" * 40),
            FileLock("model-00001-of-00002.safetensors", 5_000_000_000, sha256="c" * 64),
            FileLock("model-00002-of-00002.safetensors", 4_000_000_000, sha256="d" * 64),
        ),
    ),
    ImageLock(
        "vllm/vllm-openai:v0.16.0", "sha256:" + "e" * 64, "linux/amd64", "sha256:" + "f" * 64, 9_000_000_000
    ),
    datetime.datetime(2026, 11, 29, 3, 0, tzinfo=datetime.UTC),
    "gpu-1",
    "https://huggingface.co",
)

names = st.text(st.characters(categories=["L", "N", "S"]), min_size=1, max_size=9)
files = st.builds(
    FileLock,
    path=st.lists(names, min_size=1, max_size=3).map("/".join),
    size_bytes=st.integers(0, 2**45),
    sha256=st.none() | st.just("1" * 64),
    git_sha1=st.none() | st.just("2" * 40),
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "recipe.lock"
    assert read(path) == {}
    write(path, LOCK)
    assert read(path) == {"recipe-3": LOCK}
    other = replace(LOCK, recipe="recipe-1", image=None)
    write(path, other)
    assert read(path) == {"recipe-1": other, "recipe-3": LOCK}


@given(st.lists(files, max_size=4, unique_by=lambda file: file.path), names)
def test_any_files_come_back(
    tmp_path_factory: pytest.TempPathFactory, some: list[FileLock], name: str
) -> None:
    path = tmp_path_factory.mktemp("lock") / "recipe.lock"
    ordered = tuple(sorted(some, key=lambda file: file.path))
    lock = replace(LOCK, recipe=name, model=replace(LOCK.model, files=ordered))
    path.write_text(text({name: lock}), encoding="utf-8")
    assert read(path) == {name: lock}


def test_a_file_of_a_model_is_one_line_of_the_text() -> None:
    before = text({"recipe-3": LOCK})
    grown = replace(LOCK.model.files[1], size_bytes=1)
    after = text(
        {
            "recipe-3": replace(
                LOCK, model=replace(LOCK.model, files=(LOCK.model.files[0], grown, LOCK.model.files[2]))
            )
        }
    )
    changed = [line for line in after.splitlines() if line not in before.splitlines()]
    assert len(changed) == 1 and "model-00001" in changed[0]


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a//b", "a/../b", "", "a\\b", "a\nb", "."])
def test_no_file_leaves_the_folder_of_its_model(tmp_path: Path, path: str) -> None:
    lock = replace(LOCK, model=replace(LOCK.model, files=(FileLock(path, 1),)))
    file = tmp_path / "recipe.lock"
    file.write_text(text({"recipe-3": lock}))
    with pytest.raises(UsageError, match="is no path inside the model's folder"):
        read(file)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("version: 1", "version: 2", "version: Input should be 1"),
        ('digest: "sha256:', 'digest: "sha1:', "recipes.recipe-3.image.digest"),
        ("    model:", "    modell:", "recipes.recipe-3.modell: Extra inputs"),
        ("recipes:", "recipes: [", "recipe.lock:5"),
    ],
)
def test_a_file_that_is_not_ours_is_refused_with_its_place(
    tmp_path: Path, old: str, new: str, fault: str
) -> None:
    file = tmp_path / "recipe.lock"
    file.write_text(text({"recipe-3": LOCK}).replace(old, new, 1))
    with pytest.raises(UsageError) as caught:
        read(file)
    assert fault in str(caught.value)


def test_only_a_file_is_replaced_and_a_link_stays_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is no file"):
        write(tmp_path / "pipe", LOCK)
    (tmp_path / "link").symlink_to(tmp_path / "recipe.lock")
    write(tmp_path / "link", LOCK)
    assert (tmp_path / "link").is_symlink() and read(tmp_path / "recipe.lock") == {LOCK.recipe: LOCK}


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"can't be written: No such file") as caught:
        write(tmp_path / "none/recipe.lock", LOCK)
    assert caught.value.place == str(tmp_path / "none/recipe.lock")


def test_a_recipe_that_stands_as_it_was_locked_may_go_on() -> None:
    assert require(LOCK, RECIPE) is LOCK
    pinned = replace(RECIPE, revision=LOCK.model.revision)
    assert moved(LOCK, pinned) == ()


def test_what_moved_is_said_all_at_once() -> None:
    recipe = replace(
        RECIPE, model="zai-org/GLM-4.7", published=replace(RECIPE.published, image="vllm/vllm-openai:latest")
    )
    with pytest.raises(MovedOnError) as caught:
        require(LOCK, recipe)
    assert "zai-org/GLM-4.7-FP8" in caught.value.message
    assert "vllm/vllm-openai:latest" in caught.value.message
    assert caught.value.next_step == "glmprov recipe lock recipe-3"


def test_another_revision_another_form_and_no_lock_at_all_are_moves() -> None:
    assert "the newest revision" in moved(LOCK, replace(RECIPE, revision="v2"))[0]
    bare = replace(RECIPE.published, image=None)
    assert "asks for no image" in moved(LOCK, RECIPE, bare)[0]
    with pytest.raises(MovedOnError, match="isn't locked"):
        require(None, RECIPE)


def test_weights_in_one_form_are_fetched_and_nothing_hidden() -> None:
    paths = [
        "b.safetensors",
        "a.safetensors",
        "pytorch_model.bin",
        ".gitattributes",
        "config.json",
        ".eval/x.json",
    ]
    assert [file.path for file in wanted_files(FileLock(path, 1) for path in paths)] == [
        "a.safetensors", "b.safetensors", "config.json",
    ]  # fmt: skip
    only = wanted_files([FileLock("pytorch_model.bin", 1)])
    assert [file.path for file in only] == ["pytorch_model.bin"]
