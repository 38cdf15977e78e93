"""Recipes that people write: read as they are meant, or refused with every fault at its line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from glmprov.errors import ExitCode, RecipeError
from glmprov.recipe import Recipe
from glmprov.recipe.document import Document, json_schema
from glmprov.recipe.library import read_file
from glmprov.recipe.reading import SHIPPED, read
from glmprov.recipe.yaml_text import parsed

CASES = Path(__file__).parents[2] / "cases" / "recipes"
BAD = sorted((CASES / "bad").glob("*.yml"))
GOOD = sorted((CASES / "good").glob("*.yml"))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_every_fault_is_told_with_file_line_and_key(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    with pytest.raises(RecipeError) as caught:
        read_file(Path(path.name))
    assert f"{caught.value}\n" == path.with_suffix(".err").read_text(encoding="utf-8")
    assert caught.value.exit_code is ExitCode.USAGE


def test_values_stay_as_they_are_written() -> None:
    launch = read_file(CASES / "good" / "parts.yml").published
    assert launch.arguments["gpu-memory-utilization"] == "0.90"
    assert launch.environment["HALF"] == "on"
    assert launch.argv()[-3:] == ("--served-model-name", "glm", "glm-4.7")


def test_what_a_recipe_says_of_itself_is_read() -> None:
    recipe = read_file(CASES / "good" / "parts.yml")
    assert (recipe.gate.start_seconds, recipe.gate.tool_call, recipe.gate.expected) == (600, False, "42")
    assert recipe.requires.cards == ("Server",)
    assert recipe.corrections[0].reason.startswith("Without them")
    assert recipe.corrections[1].source.url == "https://example.org/post"
    assert recipe.corrected.arguments["tool-call-parser"] == "glm47"
    assert "HALF" not in recipe.corrected.environment


def test_an_image_with_its_own_launcher_is_told_by_its_environment_alone() -> None:
    launch = read_file(CASES / "good" / "image-launcher.yml").published
    assert (launch.engine, launch.version, launch.argv()) == ("image", "", ())
    assert launch.environment["TP"] == "4" and launch.options["ipc"] == "host"


@pytest.mark.parametrize("path", [*GOOD, *(SHIPPED / f"recipe-{n}.yml" for n in range(1, 6))], ids=str)
def test_the_schema_takes_what_we_take(path: Path) -> None:
    schema = json.loads(json_schema())
    jsonschema.validate(as_an_editor_reads(parsed(path.read_text(encoding="utf-8"))), schema)
    assert schema["additionalProperties"] is False


def as_an_editor_reads(value: object) -> object:
    """Return what YAML 1.2 makes of the text: numbers."""
    if isinstance(value, dict):
        return {key: as_an_editor_reads(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_an_editor_reads(item) for item in value]
    if isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value):
        return float(value) if "." in value else int(value)
    return value


JUNK = st.recursive(
    st.none() | st.booleans() | st.text(max_size=8) | st.sampled_from(["4", "4.0", "2026-02-15", "1e3"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)
GOOD_TEXT = (CASES / "good" / "parts.yml").read_text(encoding="utf-8")


@given(st.sampled_from(sorted(Document.model_fields)), JUNK)
def test_junk_in_any_key_is_refused_or_taken_but_never_breaks(key: str, junk: object) -> None:
    content = {**parsed(GOOD_TEXT), key: junk}
    text = yaml.safe_dump(content, allow_unicode=True)
    try:
        recipe = read(text, "junk.yml")
    except RecipeError as error:
        assert "junk.yml:" in str(error)
    else:
        assert isinstance(recipe, Recipe)
