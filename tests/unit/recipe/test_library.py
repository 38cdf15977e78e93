"""Which recipe a name means."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from glmprov.errors import RecipeError
from glmprov.recipe.git_source import parsed
from glmprov.recipe.library import Library, library, shipped_names

CASES = Path(__file__).parents[2] / "cases" / "recipes"
MINE = (CASES / "good" / "parts.yml").read_text(encoding="utf-8")


def written(folder: Path, file: str, **instead: str) -> Path:
    text = MINE
    for key, value in instead.items():
        text = text.replace(f"{key}: parts", f"{key}: {value}")
    folder.mkdir(exist_ok=True)
    (folder / file).write_text(text, encoding="utf-8")
    return folder


def test_the_five_are_there_by_name_and_by_alias() -> None:
    assert shipped_names() == tuple(f"recipe-{number}" for number in range(1, 6))
    for each in Library().recipes():
        assert Library().find(each.name) == Library().find(each.alias) == each


def test_an_unknown_name_names_the_nearest() -> None:
    for wrong, right in (("recipe3", "recipe-3"), ("glm-4.7-fp8-vllm", "glm-4.7-fp8-vllm-tp4")):
        with pytest.raises(RecipeError, match=f"did you mean {right}"):
            Library().find(wrong)


def test_a_folder_of_own_recipes_comes_before_ours(tmp_path: Path) -> None:
    own = Library((written(tmp_path / "own", "a.yml", name="recipe-1"),))
    assert own.find("recipe-1").title == "A launch in parts"
    assert [each.name for each in own.recipes()].count("recipe-1") == 1
    assert own.find("recipe-2").author == "chisleu"


def test_where_own_recipes_lie(tmp_path: Path) -> None:
    option, variable = tmp_path / "a", tmp_path / "b"
    for folder in (option, variable, tmp_path / "recipes"):
        written(folder, "mine.yml")
    environ = {"GLMPROV_RECIPES": str(variable)}
    assert library(["a"], tmp_path, environ).folders == (option,)
    assert library([], tmp_path, environ).folders == (variable,)
    assert library([], tmp_path, {}).folders == (tmp_path / "recipes",)
    assert library([], option, {}).folders == ()
    with pytest.raises(RecipeError, match="there is no folder"):
        library(["nowhere"], tmp_path, {})


def test_two_own_recipes_of_one_name_and_every_broken_file_are_told(tmp_path: Path) -> None:
    written(tmp_path, "a.yml")
    written(tmp_path, "b.yml")
    (tmp_path / "c.yml").write_text("- 1\n")
    with pytest.raises(RecipeError) as caught:
        Library((tmp_path,)).find("parts")
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert "b.yml: the name parts is taken by" in lines[0] and "c.yml:1" in lines[1]


def test_a_broken_file_stands_in_the_way_of_nothing_else(tmp_path: Path) -> None:
    written(tmp_path, "a.yml")
    (tmp_path / "recipe-2.yml").write_bytes(b"\xba")
    (tmp_path / "dangling.yml").symlink_to(tmp_path / "nowhere")
    own = Library((tmp_path,))
    assert own.find("parts").name == "parts" and own.find("recipe-3").name == "recipe-3"
    assert {"parts", "recipe-3"} < {each.name for each in own.readable()[0]}
    for name in ("recipe-2", "unknown"):
        with pytest.raises(RecipeError, match=r"recipe-2\.yml: can't be read: it isn't UTF-8 text") as caught:
            own.find(name)
        assert "dangling.yml: there is no such file" in str(caught.value)
        assert "did you mean" not in str(caught.value) and caught.value.next_step


def test_a_path_names_a_file(tmp_path: Path) -> None:
    written(tmp_path, "mine.yml")
    assert Library().find(str(tmp_path / "mine.yml")).name == "parts"
    with pytest.raises(RecipeError, match=r"no such file; did you mean .*mine.yml"):
        Library().find(str(tmp_path / "min.yml"))


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    done = subprocess.run(
        ["git", *identity, "-C", folder, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_commit_of_a_repository_names_a_file_for_good(tmp_path: Path) -> None:
    folder = written(tmp_path / "repository", "mine.yml")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "one")
    commit = git(folder, "rev-parse", "HEAD")
    written(folder, "mine.yml", name="later")
    git(folder, "commit", "--quiet", "-am", "two")
    name = f"git+file://{folder}@{commit}#mine.yml"
    found = Library().find(name)
    assert (found.name, found.place) == ("parts", name)
    for wrong in (name.replace(commit, "a" * 40), name.replace("mine.yml", "other.yml")):
        with pytest.raises(RecipeError) as caught:
            Library().find(wrong)
        assert caught.value.place == wrong


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("git+https://example.org/r.git@main#a.yml", "may mean something else tomorrow"),
        ("git+https://example.org/r.git@abc1234#a.yml", "may mean something else tomorrow"),
        ("git+https://example.org/r.git#a.yml", "no commit is named"),
        (f"git+https://example.org/r.git@{'a' * 40}", "the path of the recipe"),
        (f"git+https://example.org/r.git@{'a' * 40}#../a.yml", "the path of the recipe"),
        (f"git+http://example.org/r.git@{'a' * 40}#a.yml", "is no Git source"),
        (f"git+ext::sh -c id@{'a' * 40}#a.yml", "is no Git source"),
    ],
)
def test_what_is_no_source_for_good_is_refused(name: str, fault: str) -> None:
    with pytest.raises(RecipeError, match=fault):
        Library().find(name)


def test_a_user_may_stand_in_the_address() -> None:
    source = parsed(f"git+ssh://git@example.org/a/r.git@{'a' * 40}#x/a.yml")
    assert (source.url, source.commit, source.path) == ("ssh://git@example.org/a/r.git", "a" * 40, "x/a.yml")
