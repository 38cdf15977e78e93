"""`glmprov recipe fit` and `suggest` as people type them, on cards that nobody reaches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from unit.fit.test_config import BLOCK, GLM

from glmprov.cli import run

RECIPES = ["recipe-1", "recipe-2", "recipe-3"]


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = run(["recipe", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_for_four_cards_fits_as_corrected_and_not_as_published(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = answer(capsys, "fit", name, "--gpus", "4", "--card", "server")
    assert (code, found["exit_code"], found["fit"]["reasons"]) == (0, 0, [])
    assert found["schema"] == "glmprov/fit/1" and found["hosts"] == []
    code, found = answer(capsys, "fit", name, "--gpus", "4", "--as-published")
    assert code == found["exit_code"] == 1
    assert any("no such model" in reason for reason in found["fit"]["reasons"])


def test_recipe_4_needs_eight(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "fit", "recipe-4", "--gpus", "8")[0] == 0
    code, found = answer(capsys, "fit", "recipe-4", "--gpus", "4")
    assert code == 1 and found["fit"]["reasons"] == ["tp 4 × dp 2 takes 8 GPUs, there are 4"]


def test_the_arithmetic_is_shown_and_what_is_fitted_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipe", "fit", "glm-4.7-fp8-sglang-tp4", "--gpus", "4"]) == 0
    text = capsys.readouterr().out
    for words in (
        "94.97 GiB  card",
        "82.52 GiB  weights",
        "[fitted]",
        "7.10 GiB  KV pool",
        "47,104 B a token",
    ):
        assert words in text
    assert "fits: prompts of up to 131,066 tokens" in text
    assert "tp 2 × dp 2" in text  # the other splits


def test_the_lines_of_a_document_add_up(capsys: pytest.CaptureFixture[str]) -> None:
    _, found = answer(capsys, "fit", "recipe-3", "--gpus", "4")
    fit = found["fit"]
    assert sum(term["bytes"] for term in fit["terms"]) == pytest.approx(fit["kv_pool_bytes"], abs=5)
    assert [term["mark"] for term in fit["terms"]].count("fitted") == 1


def test_a_longer_prompt_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("fit", "recipe-1", "--gpus", "4", "--set", "context-length=null", "--context", "171455")
    assert answer(capsys, *words)[0] == 1
    assert answer(capsys, *words, "--set", "mem-fraction-static=0.97")[0] == 0


def test_a_limit_is_told_apart_from_memory(capsys: pytest.CaptureFixture[str]) -> None:
    _, found = answer(capsys, "fit", "recipe-1", "--gpus", "4", "--context", "150000")
    assert found["fit"]["reasons"] == ["150,000 tokens are wanted, the context is limited to 131,072"]


def test_another_model_and_a_set_value_are_taken(capsys: pytest.CaptureFixture[str]) -> None:
    _, plain = answer(capsys, "fit", "recipe-3", "--gpus", "4")
    code, other = answer(capsys, "fit", "recipe-3", "--gpus", "4", "--model", "nvidia/GLM-4.7-NVFP4")
    assert code == 0 and other["fit"]["kv_pool_tokens"]["value"] > plain["fit"]["kv_pool_tokens"]["value"]
    _, less = answer(capsys, "fit", "recipe-3", "--gpus", "4", "--set", "gpu-memory-utilization=0.94")
    assert less["fit"]["terms"][0]["source"].startswith("--set")


def test_a_folder_here_is_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**GLM, "quantization_config": BLOCK}))
    words = ("fit", "recipe-1", "--model", str(tmp_path), "--gpus", "8", "--set", "tp-size=8")
    code, found = answer(capsys, *words)
    assert code == 1 and any("block of 128" in reason for reason in found["fit"]["reasons"])
    (tmp_path / "config.json").write_text("{")
    code, found = answer(capsys, *words)
    assert code == 1 and found["error"]["place"] == str(tmp_path / "config.json")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("fit", "recipe-11", "--gpus", "4"), 2, "did you mean recipe-1?"),
        (("fit", "recipe-1", "--card", "RTX PRO 6000 Server Editon"), 2, "Server Edition"),
        (("fit", "recipe-1", "--card", "B200"), 2, "known editions: Workstation, Max-Q, Server"),
        (("fit", "recipe-5", "--gpus", "4"), 2, "quantizes a model"),
        (("fit", "recipe-1", "--gpus", "4", "--set", "tp-size=four"), 1, "--tp-size four"),
        (
            ("fit", "recipe-1", "--gpus", "4", "--model", "zai-org/GLM-4.7-FP9"),
            1,
            "did you mean zai-org/GLM-4.7-FP8?",
        ),
    ],
)
def test_bad_input_is_told_with_the_nearest_name(
    words: tuple[str, ...], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["recipe", *words]) == code
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    "card", ["Server", "max-q", "RTX PRO 6000 Blackwell Workstation", "WORKSTATION EDITION"]
)
def test_a_card_is_known_by_its_short_names(card: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = answer(capsys, "fit", "recipe-1", "--gpus", "4", "--card", card)
    assert code == 0 and found["card"].startswith("NVIDIA RTX PRO 6000 Blackwell")


@pytest.mark.parametrize("purpose", ["quality", "speed", "code", "users"])
def test_a_suggestion_has_both_sides_and_what_fits(purpose: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = answer(capsys, "suggest", "--for", purpose, "--gpus", "8")
    assert code == 0 and found["schema"] == "glmprov/suggest/1"
    assert {each["side"] for each in found["measurements"]} == {"for", "against"}
    assert found["recipes"][0]["fits"] and {each["kind"] for each in found["kinds"]} == {
        "FP8",
        "NVFP4",
        "INT4 (AWQ)",
    }


def test_nothing_that_is_recommended_fits_on_one_card(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipe", "suggest", "--for", "speed", "--gpus", "1"]) == 1
    assert "nothing that is recommended fits here" in capsys.readouterr().out
