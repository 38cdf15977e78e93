"""The commands about recipes, as they are typed."""

from __future__ import annotations

import io
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from glmprov.cli import run
from glmprov.recipe.library import Library
from glmprov.recipe.shell import typed

CASES = Path(__file__).parents[2] / "cases" / "recipes"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GLMPROV_RECIPES", raising=False)
    return tmp_path


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run(["recipe", *words]) == 0
    return capsys.readouterr().out


def document(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    return json.loads(answer(capsys, *words, "--json"))


def test_the_list_has_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    lines = answer(capsys, "list").splitlines()
    assert len(lines) == 6
    assert "recipe-3" in lines[3] and "glm-4.7-fp8-vllm-tp4" in lines[3] and "root-754B" in lines[3]
    listed = document(capsys, "list")
    assert listed["schema"] == "glmprov/recipes/1"
    assert [each["name"] for each in listed["recipes"]] == [f"recipe-{number}" for number in range(1, 6)]


def test_own_recipes_are_listed_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(CASES / "good")
    assert document(capsys, "list", "--recipes", folder)["recipes"][0]["name"] == "community-image"
    monkeypatch.setenv("GLMPROV_RECIPES", folder)
    assert document(capsys, "show", "parts")["recipe"]["requires"]["cards"] == ["Server"]


def test_a_recipe_is_shown_with_every_correction_its_reason_and_source(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = answer(capsys, "show", "recipe-3")
    for correction in Library().find("recipe-3").corrections:
        assert correction.reason in text and f"source: {correction.source.text}" in text
    assert "--quantization  fp8 taken away" in text
    shown = document(capsys, "show", "glm-4.7-fp8-vllm-tp4")["recipe"]
    changes = [change for each in shown["corrections"] for change in each["changes"]]
    assert {"place": "arguments.kv-cache-dtype", "before": "fp8_e5m2", "after": "fp8"} in changes


@pytest.mark.parametrize("name", [f"recipe-{number}" for number in range(1, 6)])
def test_what_was_published_can_be_copied_word_for_word(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(capsys, "show", name, "--published") == (CASES / f"{name}.published").read_text(
        encoding="utf-8"
    )


def test_a_rendered_command_can_be_typed(capsys: pytest.CaptureFixture[str]) -> None:
    text = answer(capsys, "render", "recipe-3")
    assert tuple(shlex.split(text.replace("\\\n", " "))) == typed(Library().find("recipe-3").corrected)
    published = answer(capsys, "render", "recipe-1", "--as-published")
    assert "--quantization fp8" in published and "--mem-fraction-static 0.88" in published


def test_orders_change_values_and_are_named_as_their_origin(capsys: pytest.CaptureFixture[str]) -> None:
    orders = (
        "--set",
        "max-model-len=65536",
        "--set",
        "quantization=null",
        "--port",
        "9000",
        "--model",
        "a/b",
    )
    launch = document(capsys, "render", "recipe-3", *orders)["launch"]
    assert launch["argv"][:3] == ["vllm", "serve", "a/b"]
    assert launch["argv"][launch["argv"].index("--max-model-len") :][:2] == ["--max-model-len", "65536"]
    origins = launch["origins"]
    assert (origins["arguments.max-model-len"], origins["arguments.port"]) == ("--set", "--port")
    assert (origins["arguments."], origins["arguments.kv-cache-dtype"]) == ("--model", "correction")


def test_a_script_is_rendered_as_it_works(capsys: pytest.CaptureFixture[str]) -> None:
    script = answer(capsys, "render", "recipe-5")
    compile(script, "recipe-5", "exec")
    assert document(capsys, "render", "recipe-5")["script"] == script
    assert answer(capsys, "render", "recipe-5", "--as-published") == answer(
        capsys, "show", "recipe-5", "--published"
    )
    assert run(["recipe", "render", "recipe-5", "--port", "1"]) == 2


def test_import_reads_what_is_pasted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("vllm serve a/b --tensor-parallel-size 2\n"))
    made = answer(capsys, "import", "--name", "mine", "--author", "me")
    assert "gpus: 2" in made and "author: me" in made


def test_new_and_import_make_files_that_show_takes(
    capsys: pytest.CaptureFixture[str], elsewhere: Path
) -> None:
    (elsewhere / "mine.yml").write_text(answer(capsys, "new", "mine"))
    assert "mine" in answer(capsys, "show", "./mine.yml")
    (elsewhere / "theirs.yml").write_text(answer(capsys, "import", str(CASES / "import" / "docker-run.txt")))
    assert "0.23.0" in answer(capsys, "show", "theirs.yml")


@pytest.mark.parametrize("words", [["show", "recip-3"], ["render", "recip-3"], ["show", "a.yml"]])
def test_an_error_has_its_exit_code_and_is_json_where_that_is_asked_for(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["recipe", *words, "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["error"]["kind"]) == ("glmprov/error/1", "RecipeError")


def test_names_are_completed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_GLMPROV_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "glmprov recipe show glm-4.7-fp8-v")
    monkeypatch.setenv("COMP_CWORD", "3")
    with pytest.raises(SystemExit):
        run([])
    assert capsys.readouterr().out.split(",")[-1].strip() == "glm-4.7-fp8-vllm-tp4"
