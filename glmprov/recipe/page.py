"""The recipes that we ship as a page of the reference. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from glmprov.recipe.effects import Effect, made
from glmprov.recipe.launch import spelled
from glmprov.recipe.library import Library
from glmprov.recipe.model import Claim, Recipe
from glmprov.recipe.reading import shipped_reasons
from glmprov.recipe.shell import text

_HEAD = """\
# Recipes

Made from `glmprov/recipes/`. A recipe is a command that somebody published, word for word, and the corrections that
make it work today, each with its reason and who says so. Numbers are their authors' claims; where others measured
something else, both stand here. `glmprov recipe show NAME` prints the same, `glmprov recipe render NAME` the command.

Your own recipes lie in `./recipes`, in a folder that `--recipes` or `$GLMPROV_RECIPES` names, in a file that is given
by its path, or in a Git repository at a commit (`git+https://HOST/REPOSITORY.git@COMMIT#PATH`; the commit in full, for
any other name may come to mean something else). `glmprov recipe new` prints one to begin with,
`glmprov recipe import` makes one of a pasted command, compose file or systemd unit, and
[recipe.schema.json](recipe.schema.json) lets editors check them.
"""


def page(verdicts: str = "") -> str:
    """Return the shipped recipes as Markdown: the text of docs/recipes.md. verdicts follow the overview."""
    recipes = Library().recipes()
    sections = [part for each in recipes for part in _recipe(each)]
    parts = [_HEAD, _overview(recipes), *filter(None, [verdicts]), *sections, "## Sources\n"]
    sources = shipped_reasons().sources
    rows = [
        (
            name,
            said["text"] if isinstance(said, dict) else said,
            said.get("url", "") if isinstance(said, dict) else "",
        )
        for name, said in sources.items()
    ]
    return "\n".join([*parts, _table(("name", "what", "where"), rows)])


def _overview(recipes: Sequence[Recipe]) -> str:
    head = ("name", "alias", "kind", "engine", "GPUs", "author", "date")
    return _table(
        head,
        [
            (
                f"[{each.name}](#{each.name})",
                f"`{each.alias}`",
                each.kind,
                _engine(each),
                each.requires.gpus,
                each.author,
                each.date,
            )
            for each in recipes
        ],
    )


def _recipe(recipe: Recipe) -> Iterator[str]:
    yield f"## {recipe.name}\n"
    ran = f" They ran it on {recipe.hardware}." if recipe.hardware else ""
    yield f"{recipe.title}. Published by {recipe.author}, {recipe.date}.{ran} Model: {recipe.model}.\n"
    for verb, instead in recipe.instead.items():
        yield f"It isn't served. To {verb}: {instead}\n"
    note = f" ({recipe.version_note})" if recipe.version_note else ""
    release = f", for {recipe.published.version}{note}" if recipe.published.version else ""
    yield f"As published{release}:\n"
    yield _code(
        recipe.published_text or text(recipe.published), "python" if recipe.kind == "quantize" else "bash"
    )
    yield "Corrected:\n"
    yield _code(
        recipe.corrected_text or text(recipe.corrected), "python" if recipe.kind == "quantize" else "bash"
    )
    rows = [
        (
            "<br>".join(map(_effect, each.effects)) or "to know",
            each.correction.reason,
            each.correction.source.text,
        )
        for each in made(recipe)
    ]
    yield _table(("correction", "reason", "source"), rows)
    if recipe.claims:
        head = ("claim", "hardware", "author", "date", "note", "source")
        yield _table(head, [_claim(claim) for claim in recipe.claims])


def _effect(effect: Effect) -> str:
    kind, dot, name = effect.place.partition(".")
    if kind == "renamed":
        return f"`{effect.before}` → `{effect.after}`"
    written = (name or kind) if kind == "environment" or not dot else spelled(name) or "model"
    place = f"`docker {written}`" if kind == "options" else f"`{written}`"
    if effect.after is None:
        return f"{place} taken away"
    if effect.before is None:
        return f"{place} added" if effect.after == "given" else f"{place} `{effect.after}`"
    return f"{place} `{effect.before}` → `{effect.after}`"


def _claim(claim: Claim) -> tuple[object, ...]:
    number = f"{claim.value:,.0f}" if claim.value.is_integer() else f"{claim.value:g}"
    what = f"{number} {claim.unit} {claim.what}".replace("  ", " ")
    return (what, claim.hardware, claim.author, claim.date or "not said", claim.note, claim.source.text)


def _engine(recipe: Recipe) -> str:
    return f"{recipe.corrected.engine} {recipe.corrected.version}".strip()


def _code(content: str, language: str) -> str:
    return f"```{language}\n{content.rstrip()}\n```\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(
        f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines
    )
