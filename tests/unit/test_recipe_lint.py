"""`glmprov recipe lint`: what it prints, and how it exits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from glmprov.cli import run

CARDS = ("--gpus", "4", "--card", "server", "--driver", "595.58.03")


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    try:
        code = run(["recipe", "lint", *words])
    except SystemExit as left:
        code = int(left.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def document(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    code, out, _ = said(capsys, *words, "--json")
    body: dict[str, Any] = json.loads(out)
    assert body["exit_code"] == code and body["schema"] == "glmprov/recipe-lint/1"
    return body


def test_refusals_end_in_exit_code_1_and_name_rule_place_and_fix(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "recipe-3", "--as-published", *CARDS)
    assert code == 1
    assert "kv-e5m2-on-fp8-checkpoint  (arguments.kv-cache-dtype)" in out
    assert "fix: --kv-cache-dtype fp8 (which is e4m3)" in out
    assert out.index("Refused") < out.index("Warnings") < out.index("Notes")
    assert out.splitlines()[-1].startswith("4 refusals, ")


def test_what_is_corrected_ends_in_0(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "glm-4.7-fp8-vllm-tp4", *CARDS)
    assert code == 0 and "Refused" not in out and "Warnings" not in out


def test_accepted_refusals_are_shown_as_such_and_end_in_0(capsys: pytest.CaptureFixture[str]) -> None:
    refused = [
        each["rule"]
        for each in document(capsys, "recipe-1", "--as-published", *CARDS)["results"][0]["findings"]
        if each["level"] == "refuse"
    ]
    accept = [word for rule in refused for word in ("--accept", rule)]
    code, out, _ = said(capsys, "recipe-1", "--as-published", *CARDS, *accept)
    assert code == 0 and "Refused" not in out
    assert f"{len(refused)} accepted" in out and f"Accepted\n  {refused[0]}" in out
    all_but_one = document(capsys, "recipe-1", "--as-published", *CARDS, *accept[2:])
    assert all_but_one["exit_code"] == 1
    assert [each["rule"] for each in all_but_one["results"][0]["findings"] if each["accepted"]] == refused[1:]


def test_a_rule_that_is_none_is_an_error_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = said(capsys, "recipe-1", "--accept", "model-does-not-exists")
    assert code == 2 and "did you mean model-does-not-exist?" in err


def test_warnings_count_if_somebody_wants_it(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("recipe-3", *CARDS, "--set", "max-num-seqs=null")
    assert said(capsys, *words)[0] == 0
    assert said(capsys, *words, "--fail-on", "warn")[0] == 1
    assert said(capsys, *words, "--fail-on", "warn", "--accept", "max-requests-1024")[0] == 0


def test_what_is_set_on_the_command_line_is_judged(capsys: pytest.CaptureFixture[str]) -> None:
    findings = document(capsys, "recipe-3", *CARDS, "--set", "NCCL_P2P_LEVEL=4")["results"][0]["findings"]
    [level] = [each for each in findings if each["rule"] == "p2p-level-integer"]
    assert level["place"] == "environment.NCCL_P2P_LEVEL" and "SYS" in level["sentence"]
    code, out, _ = said(capsys, "recipe-3", *CARDS, "--set", "swap-space=4")
    assert code == 1 and "flag-unknown  (arguments.swap-space)" in out


def test_without_cards_it_says_what_it_can_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "recipe-3")
    assert code == 0 and "4 × any RTX PRO 6000 Blackwell" in out
    assert "no host is named, so the driver isn't known: driver-below-recipe" in out


def test_verbose_says_why_and_who_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    short, long = (said(capsys, "recipe-1", "--as-published", *words)[1] for words in ((), ("-v",)))
    for word in ("source", "why"):
        assert f"\n      {word}: " not in short and f"\n      {word}: " in long


def test_an_own_recipe_with_an_image_that_launches_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "own.yml"
    path.write_text(
        "name: own\ntitle: an image that launches itself\nauthor: me\ndate: 2026-03-01\nmodel: zai-org/GLM-4.7-FP8\n"
        "requires: {gpus: 4}\npublished:\n  engine: image\n"
        "  command: docker run --gpus all --ipc host -e NCCL_SHM_DISABLE=1 voipmonitor/sglang:cu130\n"
    )
    code, out, _ = said(capsys, str(path), *CARDS)
    assert code == 0, out
    assert "release-unknown" in out and "nccl-shm-disabled" in out
    assert "the image has its own launcher" in out
