"""The lint refuses each recipe of the book as published, for the reasons that we know, and passes the corrected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from glmprov import catalog
from glmprov.actions.recipe.lint import launch_of
from glmprov.lint import Level, Target, rules
from glmprov.lint.linted import Linted, lint_launch
from glmprov.recipe.reading import read_shipped

CARDS = tuple(card.name for card in catalog.load().cards)
DRIVER = "595.58.03"
GPUS = {"recipe-1": 4, "recipe-2": 4, "recipe-3": 4, "recipe-4": 8, "recipe-5": 4}

SGLANG = {
    "model-does-not-exist": "refuse",
    "quantization-fp8-on-compressed-tensors": "refuse",
    "kv-e5m2": "warn",
    "flag-abbreviated": "warn",
    "tool-parser-missing": "warn",
    "reasoning-parser-missing": "warn",
    "open-without-key": "warn",
    "pool-below-context": "warn",
    "chunked-prefill-small": "note",
}
OF_0_5_9 = {
    "fused-moe-default-tile": "refuse",
    "jit-deep-gemm": "warn",
    "fp8-gemm-backend": "warn",
    "torch-compile": "note",
}
PUBLISHED: Mapping[str, Mapping[str, str]] = {
    "recipe-1": SGLANG | OF_0_5_9,
    "recipe-2": SGLANG
    | {
        "placeholder-left": "refuse",
        "image-tag-latest": "warn",
        "docker-ipc-missing": "warn",
        "docker-ulimits-missing": "warn",
        "fused-moe-default-tile": "unknown",
        "entry-point-deprecated": "unknown",
        "release-unknown": "note",
    },
    "recipe-3": {
        "model-does-not-exist": "refuse",
        "kv-e5m2-on-fp8-checkpoint": "refuse",
        "quantization-fp8-on-compressed-tensors": "refuse",
        "does-not-fit": "refuse",
        "p2p-off-at-low-concurrency": "warn",
        "nccl-buffers-host-memory": "note",
        "max-requests-1024": "warn",
        "tool-parser-missing": "warn",
        "reasoning-parser-missing": "warn",
        "open-without-key": "warn",
        "fused-moe-untuned": "note",
    },
    "recipe-4": SGLANG | OF_0_5_9,
    "recipe-5": {
        "model-does-not-exist": "refuse",
        "quantize-ignore-patterns": "refuse",
        "quantize-dead-names": "warn",
        "quantize-loses-mtp": "warn",
    },
}


def linted(
    name: str,
    card: str,
    *,
    as_published: bool = False,
    gpus: int | None = None,
    model: str | None = None,
    sets: Sequence[str] = (),
) -> Linted:
    recipe, target = read_shipped(name), Target(gpus or GPUS[name], (card,), DRIVER)
    launch = launch_of(recipe, as_published=as_published, model=model, sets=sets)
    return lint_launch(launch, recipe, target, as_published=as_published)


def levels(found: Linted) -> dict[str, Level]:
    return {each.rule: each.level for each in found.findings}


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("name", PUBLISHED)
def test_what_was_published_is_refused_for_these_reasons(name: str, card: str) -> None:
    said = levels(linted(name, card, as_published=True))
    assert {rule: said.get(rule) for rule in PUBLISHED[name]} == PUBLISHED[name]
    assert {rule for rule, level in said.items() if level == "refuse"} <= set(PUBLISHED[name]), "a new reason"


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("name", PUBLISHED)
def test_what_we_correct_passes(name: str, card: str) -> None:
    found = linted(name, card)
    said = [
        f"{each.rule}: {each.sentence}"
        for each in found.findings
        if each.level in ("refuse", "warn", "unknown")
    ]
    assert said == []


def test_two_replicas_of_four_need_eight_cards() -> None:
    said = levels(linted("recipe-4", CARDS[0], gpus=4))
    assert (said["gpus-too-few"], said["gpus-too-few-for-recipe"]) == ("refuse", "refuse")


@pytest.mark.parametrize("name", ["recipe-1", "recipe-2", "recipe-3", "recipe-4"])
def test_corrections_name_rules_that_exist(name: str) -> None:
    for correction in read_shipped(name).corrections:
        assert set(correction.fixes) <= set(rules()), correction.reason


def test_another_model_is_not_taken_for_the_recipes_own() -> None:
    found = linted("recipe-1", CARDS[0], model="somebody/GLM-4.7-mine")
    assert found.target.model is None
    assert levels(found)["fused-moe-untuned"] == "unknown"


def test_the_published_e5m2_is_accepted_by_a_newer_vllm_that_needs_other_corrections() -> None:
    said = levels(linted("recipe-3", CARDS[0], as_published=True, sets=["version=0.33.0"]))
    assert "kv-e5m2-on-fp8-checkpoint" not in said
    assert said["kv-e5m2"] == "warn" and said["quantization-fp8-on-compressed-tensors"] == "refuse"
    assert said["entry-point-deprecated"] == "warn"
