"""Recipes as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from glmprov.recipe import Claim, Launch, Recipe, Source, spelled
from glmprov.recipe.effects import Effect, Made, made
from glmprov.recipe.shell import text as shell_text

ENGINES = {"vllm": "vLLM", "sglang": "SGLang", "image": "own launcher", "llmcompressor": "llm-compressor"}


_ENDLESS = 10_000
"""Columns of a pipe: what reads it folds lines itself, if it wants to."""


@dataclass(frozen=True)
class _Indented:
    """Text some columns to the right, folded on a terminal only."""

    text: Text
    columns: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines."""
        padded = Padding(self.text, (0, 0, 0, self.columns))
        yield from console.render(padded, options.update(width=_ENDLESS) if console.soft_wrap else options)


def recipes_text(recipes: Sequence[Recipe]) -> Iterable[RenderableType]:
    """Yield one line a recipe."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for heading in ("name", "alias", "kind", "engine", "GPUs", "author", "date", "claim"):
        table.add_column(no_wrap=heading not in ("alias", "claim"), overflow="fold")
    table.add_row(
        *(
            Text(word, "bold")
            for word in ("name", "alias", "kind", "engine", "GPUs", "author", "date", "claim")
        )
    )
    for each in recipes:
        cells = (each.alias, each.kind, _engine(each.corrected), str(each.requires.gpus), each.author)
        claim = _number(each.claims[0]) if each.claims else ""
        table.add_row(Text(each.name, "bold"), *cells, each.date.isoformat(), claim)
    yield table


def recipe_text(recipe: Recipe, *, published: bool = False) -> Iterable[RenderableType]:
    """Yield a recipe: what it is, what was published, every correction with reason and source, what is claimed.

    published: only the command or script as it was published, to be copied.
    """
    if published:
        yield _code(recipe.published_text or shell_text(recipe.published))
        return
    yield Text.assemble((recipe.name, "bold"), "  ", recipe.alias)
    yield Text(recipe.title)
    yield from _rows(_about(recipe))
    note = f" ({recipe.version_note})" if recipe.version_note else ""
    yield Text.assemble("\n", ("as published", "bold"), f" for {_engine(recipe.published)}{note}")
    yield _Indented(_code(recipe.published_text or shell_text(recipe.published)), 2)
    corrections = made(recipe)
    yield Text(f"{len(corrections)} corrections", "bold")
    for each in corrections:
        yield from _correction(each)
    if recipe.claims:
        yield Text.assemble("\n", ("claimed", "bold"))
        for claim in recipe.claims:
            yield from _claim(claim)


def script_text(script: str) -> Iterable[RenderableType]:
    """Yield a script, to be copied."""
    yield _code(script)


def rendered_text(launch: Launch, *, origins: bool = False) -> Iterable[RenderableType]:
    """Yield the command for a shell; with origins, who set each value."""
    yield _code(shell_text(launch))
    if origins:
        table = Table.grid(padding=(0, 2, 0, 0))
        for kind in ("options", "environment", "arguments"):
            for name in getattr(launch, kind):
                table.add_row(Text(launch.origin(f"{kind}.{name}"), "dim"), _written(f"{kind}.{name}"))
        yield table


def _about(recipe: Recipe) -> Iterator[tuple[str, str]]:
    requires = recipe.requires
    cards = f" ({', '.join(requires.cards)})" if requires.cards else ""
    driver = f", driver {requires.minimum_driver} or newer" if requires.minimum_driver else ""
    on = f", on {recipe.hardware}" if recipe.hardware else ""
    yield "published", f"by {recipe.author}, {recipe.date}{on}"
    yield "model", f"{recipe.model}{'@' + recipe.revision if recipe.revision else ''}"
    yield "needs", f"{requires.gpus} GPU{'s' if requires.gpus > 1 else ''}{cards}{driver}"
    if recipe.kind == "serve":
        yield (
            "runs",
            f"{_engine(recipe.corrected)}, {recipe.corrected.image or recipe.corrected.requirements or 'no image'}",
        )
        yield (
            "key",
            "one for each instance" if recipe.auth == "key" else "none: who reaches the port may use it",
        )
    for verb, instead in recipe.instead.items():
        yield f"to {verb}", instead
    yield "from", recipe.place


def corrections_text(corrections: Sequence[Made]) -> Iterable[RenderableType]:
    """Yield corrections, a line for each thing that changes with the reason behind it."""
    for each in corrections:
        for effect in each.effects:
            line = Text.assemble("  ", _effect(effect), ("  " + each.correction.reason, "dim"))
            yield _Indented(line, 0)


def _correction(each: Made) -> Iterator[RenderableType]:
    heads = [_effect(effect) for effect in each.effects] or [Text("to know", "yellow")]
    for head in heads:
        yield _Indented(head, 2)
    yield _Indented(Text(each.correction.reason), 6)
    yield _Indented(_source(each.correction.source), 6)
    if each.correction.fixes:
        yield _Indented(Text(f"lint: {', '.join(each.correction.fixes)}", "dim"), 6)


def _effect(effect: Effect) -> Text:
    if effect.place.startswith("renamed."):
        return Text.assemble((effect.before or "", "bold"), " → ", (effect.after or "", "green"))
    text = Text.assemble((_written(effect.place), "bold"), "  ")
    if effect.after is None:
        before = "" if effect.before in (None, "given") else f"{effect.before} "
        return text.append(f"{before}taken away", "red")
    if effect.before is None:
        return text.append("added" if effect.after == "given" else effect.after, "green")
    return text.append(f"{effect.before} → ").append(effect.after, "green")


def _written(place: str) -> str:
    """Return a place as it is written: --tp-size, NCCL_DEBUG, docker --ipc."""
    kind, dot, name = place.partition(".")
    if not dot or kind == "environment":
        return name or kind
    written = spelled(name) or "(model)"
    return f"docker {written}" if kind == "options" else written


def _claim(claim: Claim) -> Iterator[RenderableType]:
    when = f", {claim.date}" if claim.date else ""
    yield _Indented(Text.assemble((_number(claim), "bold"), f"  {claim.hardware}; {claim.author}{when}"), 2)
    if claim.note:
        yield _Indented(Text(claim.note), 6)
    yield _Indented(_source(claim.source), 6)


def _number(claim: Claim) -> str:
    number = f"{claim.value:,.0f}" if claim.value.is_integer() else f"{claim.value:g}"
    return f"{' '.join(filter(None, (number, claim.unit)))} {claim.what}"


def _source(source: Source) -> Text:
    return Text(f"source: {source.text}", "dim")


def _engine(launch: Launch) -> str:
    return " ".join(filter(None, (ENGINES.get(launch.engine, launch.engine), launch.version)))


def _rows(rows: Iterable[tuple[str, str]]) -> Iterator[RenderableType]:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(Text(f"  {name}", "dim"), Text(text))
    yield table


def _code(text: str) -> Text:
    return Text(text.rstrip("\n"), no_wrap=True, overflow="ignore")
