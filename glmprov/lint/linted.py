"""What came of a lint, ready for any report. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from glmprov.errors import ExitCode
from glmprov.lint.finding import LEVELS, Finding, Level
from glmprov.lint.target import Target
from glmprov.recipe import Launch, Recipe


@dataclass(frozen=True)
class Linted:
    """What the lint says of a recipe on one target. judged_by: the release whose flags it was held against."""

    recipe: Recipe
    launch: Launch
    target: Target
    findings: tuple[Finding, ...]
    as_published: bool = False
    judged_by: str | None = None
    accepted: frozenset[str] = frozenset()
    host: str | None = None

    @property
    def heading(self) -> str:
        """What was judged, in one line."""
        form = "as published" if self.as_published else "as corrected"
        engine = {"vllm": "vLLM", "sglang": "SGLang"}.get(self.launch.engine, self.launch.engine)
        release = f"{engine} {self.launch.version}" if self.launch.version else f"{engine}, release unknown"
        cards = ", ".join(self.target.cards) or "any RTX PRO 6000 Blackwell"
        gpus = self.recipe.requires.gpus if self.target.gpus is None else self.target.gpus
        where = f"{self.host}: " if self.host else ""
        return f"{where}{self.recipe.name} {form}, {release}, for {gpus} × {cards}"


def lint_code(results: Sequence[Linted], fail_on: Level = "refuse") -> ExitCode:
    """Return FAILED if anything as bad as fail_on, or worse, isn't accepted."""
    counted = LEVELS[: LEVELS.index(fail_on) + 1]
    bad = (f for each in results for f in each.findings if f.level in counted and f.rule not in each.accepted)
    return ExitCode.FAILED if any(bad) else ExitCode.DONE
