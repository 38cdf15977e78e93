"""The rules, and what they say of the recipes that we ship, as Markdown. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from glmprov import catalog
from glmprov.engines.flags import versions
from glmprov.lint.finding import LEVELS, Level, Side
from glmprov.lint.linted import lint_launch
from glmprov.lint.rules import Rule, rules
from glmprov.lint.target import Target
from glmprov.recipe import Launch, Recipe

_HEAD = """\
# Lint rules

Made from `glmprov/catalog/rules.yml`. `glmprov recipe lint NAME` holds a recipe against them, `--accept ID` accepts
one, on the record. A refusal can't work, or not as meant; a warning works badly or by luck; a note is worth knowing.
Where a rule depends on something that nobody knows, as the release in an image with its own launcher, the lint says
so instead of staying silent. What stands in braces is the launch's own.
"""

_VERDICTS = """\
## Verdicts

What the lint says of each form, by release of the engine and edition of the cards, with the GPUs that the recipe
requires and whatever the image. Releases are those of the catalogue; the form's own is bold. *no*: refused, for these
[rules](rules.md). *with care*: it has warnings. Notes aren't counted.
"""

_DRIVER = "595.58.03"
"""A driver that runs every edition, so that the table is about recipes."""


def rules_page() -> str:
    """Return the rules as Markdown: the text of docs/rules.md."""
    parts = [_HEAD]
    for level in LEVELS:
        found = [rule for rule in rules().values() if rule.level == level]
        if found:
            parts += [f"## {_title(level)}\n", *(_rule(rule) for rule in found)]
    return "\n".join(parts)


def verdicts(recipes: Iterable[Recipe]) -> str:
    """Return the table of recipe × release × edition × verdict, as Markdown."""
    cards = catalog.load().cards
    lines = [
        f"| recipe | form | release | {' | '.join(card.edition for card in cards)} |",
        f"|---|---|---|{'---|' * len(cards)}",
    ]
    for recipe in recipes:
        for form, release, launch in _forms(recipe):
            cells = [_verdict(recipe, launch, form == "published", card.name) for card in cards]
            lines.append(f"| {recipe.name} | {form} | {release} | {' | '.join(cells)} |")
    return "\n".join((_VERDICTS, *lines, ""))


def _forms(recipe: Recipe) -> Iterator[tuple[str, str, Launch]]:
    if recipe.kind != "serve":
        return
    for form, launch in (("published", recipe.published), ("corrected", recipe.corrected)):
        for release in versions(launch.engine):
            name = f"{launch.engine} {release}"
            own = f"**{name}**" if release == launch.version else name
            yield form, own, replace(launch, version=release, image=None)


def _verdict(recipe: Recipe, launch: Launch, as_published: bool, card: str) -> str:
    target = Target(recipe.requires.gpus, (card,), _DRIVER)
    found = lint_launch(launch, recipe, target, as_published=as_published).findings
    said: dict[Level, list[str]] = {
        level: list(dict.fromkeys(each.rule for each in found if each.level == level)) for level in LEVELS
    }
    if said["refuse"]:
        return f"no: {', '.join(said['refuse'])}"
    doubts = said["warn"] + said["unknown"]
    return f"with care: {', '.join(doubts)}" if doubts else "yes"


def _title(level: Level) -> str:
    return {"refuse": "Refusals", "warn": "Warnings", "note": "Notes"}.get(level, level)


def _rule(rule: Rule) -> str:
    about = [f"{_scope(rule)}." if rule.engines else "Every engine."]
    if rule.unsettled:
        unknown = "; ".join(f"{engine} {range_}" for engine, range_ in rule.unsettled.items())
        about.append(f"Nobody has looked at {unknown}.")
    lines = [f"### {rule.id}\n", f"{' '.join(about)}\n", f"- says: {rule.sentence}", f"- why: {rule.why}"]
    lines += [f"- do: {rule.fix}", f"- source: {rule.source}"]
    lines += [f"- contested: {_side(side)}" for side in rule.sides]
    return "\n".join((*lines, ""))


def _scope(rule: Rule) -> str:
    return ", ".join(
        f"{engine}, all releases" if range_ == "any" else f"{engine} {range_}"
        for engine, range_ in rule.engines.items()
    )


def _side(side: Side) -> str:
    number = "" if side.value is None else f": {side.value:,g} {side.unit}".rstrip()
    return f"{side.says}{number} ({side.author}, {side.date}, {side.hardware}; {side.source})"
