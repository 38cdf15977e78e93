"""What people paste becomes a recipe: nothing of it is lost without a word."""

from __future__ import annotations

import datetime
import string
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from glmprov.actions.recipe.importing import Head, recipe_import
from glmprov.errors import RecipeError
from glmprov.recipe import Launch
from glmprov.recipe.container import DOCKER_SWITCHES
from glmprov.recipe.library import Library
from glmprov.recipe.pasted import from_text
from glmprov.recipe.reading import read
from glmprov.recipe.shell import text
from glmprov.recipe.template import template

CASES = Path(__file__).parents[2] / "cases" / "recipes" / "import"
PASTED = sorted(CASES.glob("*.txt"))
HEAD = Head("imported", "somebody", datetime.date(2026, 3, 1), "a post")


@pytest.mark.parametrize("path", [p for p in PASTED if p.with_suffix(".yml").is_file()], ids=lambda p: p.stem)
def test_what_is_pasted_becomes_a_recipe_that_passes_the_check(path: Path) -> None:
    made = recipe_import(path.read_text(encoding="utf-8"), path.name, HEAD)
    assert made == path.with_suffix(".yml").read_text(encoding="utf-8")
    assert read(made, "made.yml").name == "imported"


@pytest.mark.parametrize("path", [p for p in PASTED if p.with_suffix(".err").is_file()], ids=lambda p: p.stem)
def test_what_starts_nothing_or_too_much_is_refused(path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe_import(path.read_text(encoding="utf-8"), path.name, HEAD)
    assert f"{caught.value}\n" == path.with_suffix(".err").read_text(encoding="utf-8")


def test_every_case_has_its_answer() -> None:
    assert len(PASTED) > 10
    assert all(path.with_suffix(".yml").is_file() or path.with_suffix(".err").is_file() for path in PASTED)


@pytest.mark.parametrize("secret", ["sk-1234", "hf_1234"])
def test_no_secret_comes_into_a_recipe(secret: str) -> None:
    assert any(secret in path.read_text(encoding="utf-8") for path in PASTED)
    assert not any(secret in path.read_text(encoding="utf-8") for path in CASES.glob("*.yml"))


@pytest.mark.parametrize("number", range(1, 5))
def test_every_form_of_our_own_recipes_reads_back(number: int) -> None:
    recipe = Library().find(f"recipe-{number}")
    for launch in (recipe.published, recipe.corrected):
        again = from_text(text(launch), "x").launch
        assert replace(again, version="") == replace(launch, version="", origins={})


def test_the_template_passes_the_check() -> None:
    recipe = read(template("mine", datetime.date(2026, 3, 1)), "mine.yml")
    assert recipe.corrected.arguments["tool-call-parser"] == "glm47"


NAMES = st.from_regex(r"[a-z]{2,8}(-[a-z0-9]{1,6}){0,2}", fullmatch=True).filter(
    lambda name: not name.startswith(("enable-", "disable-", "no-", "trust-", "skip-", "allow-", "use-"))
)
SHOWN = string.ascii_letters + string.digits + string.punctuation + " é€"
WORDS = st.text(st.sampled_from(SHOWN), max_size=12).filter(
    # $ and ` mean something to a shell, and < to a person who writes <secret>.
    lambda word: not set(word) & set("$`<>") and not word.startswith(("~/", "-"))
)
NEGATIVE = st.from_regex(r"-\d{1,4}(\.\d{1,3})?", fullmatch=True)
VALUES = st.one_of(
    WORDS, NEGATIVE, st.just("-ab=c"), st.just(True), st.lists(WORDS, min_size=2, max_size=3).map(tuple)
)
VARIABLES = st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True), WORDS, max_size=3)
OPTIONS = st.dictionaries(
    NAMES.filter(lambda name: name not in DOCKER_SWITCHES and name not in ("env", "entrypoint")),
    st.one_of(WORDS, st.lists(WORDS, min_size=2, max_size=3).map(tuple)),
    max_size=3,
)
STARTED = st.sampled_from(
    [
        ("vllm", ("vllm", "serve")),
        ("vllm", ("python3", "-m", "vllm.entrypoints.openai.api_server")),
        ("sglang", ("python", "-m", "sglang.launch_server")),
        ("sglang", ("/opt/venv/bin/sglang", "serve")),
    ]
)


@st.composite
def launches(draw: st.DrawFn) -> Launch:
    engine, launcher = draw(STARTED)
    model = {"": "a/b"} if launcher == ("vllm", "serve") else {}
    arguments = {**model, **draw(st.dictionaries(NAMES, VALUES, max_size=4))}
    launch = Launch(engine, "", launcher, arguments, draw(VARIABLES))
    if not draw(st.booleans()):
        return launch
    options = {"rm": True, **draw(OPTIONS)}
    options |= {"entrypoint": launcher[0]} if draw(st.booleans()) else {}
    return replace(launch, image="example.org/somebody/engine:1", options=options)


@given(launches())
@example(
    Launch(
        "vllm", "", ("python3", "-m", "vllm.entrypoints.openai.api_server"), {"x": ("a", "/")}, image="a/b"
    )
)
def test_what_is_rendered_and_pasted_again_is_the_same_launch(launch: Launch) -> None:
    assert from_text(text(launch), "x").launch == launch


@settings(max_examples=40)
@given(st.text(st.sampled_from(SHOWN + "\n\\"), max_size=60))
def test_junk_is_refused_in_words(junk: str) -> None:
    for pasted in (
        junk,
        f"vllm serve {junk}",
        f"docker run {junk}",
        f"[Service]\nExecStart={junk}",
        f"services:\n{junk}",
    ):
        try:
            read(recipe_import(pasted, "x", HEAD), "made.yml")
        except RecipeError as error:
            assert str(error)
