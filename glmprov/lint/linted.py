"""A launch, linted: with its model looked up, its release's catalogue, and the rules that somebody accepts. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from glmprov.catalog.models import Model
from glmprov.engines.meaning import engines
from glmprov.errors import ExitCode, UsageError
from glmprov.fit import FitError, model_of
from glmprov.lint import lint
from glmprov.lint.finding import LEVELS, Finding, Level
from glmprov.lint.release import judged_by
from glmprov.lint.rules import rules
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


def lint_launch(
    launch: Launch,
    recipe: Recipe,
    target: Target,
    *,
    as_published: bool = False,
    accepted: Collection[str] = (),
    host: str | None = None,
) -> Linted:
    """Return what the lint says of a launch. A target without a model gets the launch's, if we know it.

    Raise UsageError for a rule that is accepted and doesn't exist.
    """
    agreed = accepted_rules(accepted)
    if target.model is None:
        target = replace(target, model=model_for(launch, recipe))
    catalogue = judged_by(launch)
    findings = lint(launch, recipe, target, catalogue, as_published=as_published)
    version = catalogue.version if catalogue is not None else None
    return Linted(recipe, launch, target, findings, as_published, version, agreed, host)


def model_for(launch: Launch, recipe: Recipe) -> Model | None:
    """Return the model that a launch loads; for an id that doesn't exist, the one that is meant. None: unknown.

    A folder of the recipe's own is taken for the recipe's model, one that somebody sets isn't.
    """
    engine = engines().get(launch.engine)
    name = engine.name_in(launch, "model") if engine is not None else None
    named = recipe.model if name is None else str(launch.arguments[name])
    own = name is not None and launch.origin(f"arguments.{name}") in ("published", "correction")
    try:
        return model_of(named, recipe.model if own and named.startswith("/") else "")[0]
    except FitError:
        return None


def accepted_rules(ids: Collection[str]) -> frozenset[str]:
    """Return the ids. Raise UsageError for one that is no rule, with the nearest."""
    for each in ids:
        if each not in rules():
            from difflib import get_close_matches

            near = get_close_matches(each, rules(), n=1)
            raise UsageError(
                f"--accept: there is no rule {each}",
                next_step=f"did you mean {near[0]}?" if near else "docs/rules.md lists the rules",
            )
    return frozenset(ids)


def lint_code(results: Sequence[Linted], fail_on: Level = "refuse") -> ExitCode:
    """Return FAILED if anything as bad as fail_on, or worse, isn't accepted."""
    counted = LEVELS[: LEVELS.index(fail_on) + 1]
    bad = (f for each in results for f in each.findings if f.level in counted and f.rule not in each.accepted)
    return ExitCode.FAILED if any(bad) else ExitCode.DONE
