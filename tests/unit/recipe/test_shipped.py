"""The recipes that we ship: word for word what was published, and corrections that hold."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from glmprov import catalog
from glmprov.engines.meaning import engine_of
from glmprov.recipe import Recipe
from glmprov.recipe.command import split
from glmprov.recipe.reading import SHIPPED, read, read_shipped, shipped_reasons
from glmprov.recipe.shell import typed

ROOT = Path(__file__).parents[3]
CASES = ROOT / "tests" / "cases" / "recipes"
BOOK = ROOT.parent / "shared" / "recipe-book.md"
NAMES = [f"recipe-{number}" for number in range(1, 6)]
SERVED = NAMES[:4]


def case(name: str) -> str:
    return (CASES / f"{name}.published").read_text(encoding="utf-8")


def in_the_book(name: str) -> str:
    heading = re.escape(f"## {name.replace('-', ' ').title()}:")
    found = re.search(rf"{heading}.*?```\w+\n(.*?)```", BOOK.read_text(encoding="utf-8"), re.DOTALL)
    assert found, f"the book has no {name}"
    return found.group(1)


@pytest.mark.parametrize("name", SERVED)
def test_the_published_form_is_rendered_word_for_word(name: str) -> None:
    assert list(typed(read_shipped(name).published)) == split(case(name))


@pytest.mark.parametrize("name", NAMES)
def test_the_published_text_is_kept(name: str) -> None:
    assert read_shipped(name).published_text == case(name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.skipif(not BOOK.is_file(), reason="../shared/recipe-book.md isn't there")
def test_the_case_is_what_the_book_says(name: str) -> None:
    joined = [shlex.split(text.replace("\\\n", " ")) for text in (case(name), in_the_book(name))]
    assert joined[0] == joined[1]


def test_assignments_docker_options_and_arguments_are_told_apart() -> None:
    vllm, docker = read_shipped("recipe-3").published, read_shipped("recipe-2").published
    assert vllm.environment["NCCL_BUFFSIZE"] == "67108864"
    assert vllm.launcher == ("python", "-m", "vllm.entrypoints.openai.api_server")
    assert docker.image == "lmsysorg/sglang:latest" and docker.version == ""
    assert docker.options == {"gpus": "all", "rm": True, "p": "30000:30000", "v": "/path/to/models:/models"}
    assert docker.launcher == ("python", "-m", "sglang.launch_server")
    assert docker.arguments["tp"] == "4"


@pytest.mark.parametrize("name", NAMES)
def test_the_file_passes_the_check_that_is_skipped_when_it_is_used(name: str) -> None:
    text = SHIPPED.joinpath(f"{name}.yml").read_text(encoding="utf-8")
    assert read(text, f"{name}.yml") == read_shipped(name)


@pytest.mark.parametrize("name", NAMES)
def test_every_correction_has_a_reason_and_a_source(name: str) -> None:
    recipe = read_shipped(name)
    assert recipe.name == name and recipe.alias and recipe.hardware and recipe.corrections
    for correction in recipe.corrections:
        assert len(correction.reason) > 30 and correction.source.text, correction
    assert set(recipe.requires.cards) <= {card.edition for card in catalog.load().cards}


def test_every_reason_that_we_ship_is_used_and_every_source_cited() -> None:
    text = "".join(SHIPPED.joinpath(f"{name}.yml").read_text(encoding="utf-8") for name in NAMES)
    said = shipped_reasons()
    assert set(said.reasons) == set(re.findall(r"because: ([\w-]+)", text))
    cited = text + "; ".join(str(reason["source"]) for reason in said.reasons.values())
    assert [name for name in said.sources if not re.search(rf"\b{name}\b", cited)] == []


@pytest.mark.parametrize("name", SERVED)
class TestCorrectedForm:
    """What today's releases need, whatever was published."""

    def test_it_serves_the_model_of_the_recipe(self, name: str) -> None:
        recipe = read_shipped(name)
        engine = engine_of(recipe.corrected)
        assert engine.given(recipe.corrected, "model") == recipe.model == "zai-org/GLM-4.7-FP8"
        assert engine.given(recipe.corrected, "quantization") is None
        assert engine.given(recipe.corrected, "kv_cache_type") in ("fp8", "fp8_e4m3")

    def test_it_reads_tool_calls_and_thoughts(self, name: str) -> None:
        launch = read_shipped(name).corrected
        engine = engine_of(launch)
        assert (engine.given(launch, "tool_parser"), engine.given(launch, "reasoning_parser")) == (
            "glm47",
            "glm45",
        )

    def test_every_name_that_we_reason_about_is_written_in_full(self, name: str) -> None:
        launch = read_shipped(name).corrected
        engine = engine_of(launch)
        for meaning in engine.arguments:
            found = engine.name_in(launch, meaning)
            assert found is None or found in engine.arguments[meaning]

    def test_it_runs_a_release_of_the_engines_own_image(self, name: str) -> None:
        launch = read_shipped(name).corrected
        assert launch.image and launch.image.endswith(f":v{launch.version}")

    def test_it_isnt_open_to_everybody_and_has_the_memory_it_needs(self, name: str) -> None:
        recipe = read_shipped(name)
        assert engine_of(recipe.corrected).given(recipe.corrected, "host") == "127.0.0.1"
        assert recipe.auth == "key"
        assert recipe.corrected.options["ipc"] == "host"
        assert recipe.corrected.options["ulimit"] == ("memlock=-1", "stack=67108864")

    def test_it_needs_as_many_cards_as_its_shape(self, name: str) -> None:
        recipe = read_shipped(name)
        engine = engine_of(recipe.corrected)
        shape = [
            engine.number(recipe.corrected, f"{kind}_parallel") for kind in ("tensor", "data", "pipeline")
        ]
        assert shape[0] * shape[1] * shape[2] == recipe.requires.gpus


def test_what_a_host_decides_about_nccl_is_left_to_it() -> None:
    recipe = read_shipped("recipe-3")
    assert not [name for name in recipe.corrected.environment if name.startswith(("NCCL_", "CUDA_DEVICE"))]


def test_a_script_is_not_served() -> None:
    recipe: Recipe = read_shipped("recipe-5")
    assert recipe.kind == "quantize" and "deploy" in recipe.instead
    compile(recipe.corrected_text, "recipe-5", "exec")
    assert "ignore_patterns" not in recipe.corrected_text and "THUDM" not in recipe.corrected_text
