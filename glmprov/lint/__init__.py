"""What is wrong or unwise with a launch, for this release of the engine on this hardware. Pure.

Three answers: a rule holds, it doesn't, or it can't be known, with the reason. Silence means that it doesn't.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from glmprov.lint.checks import checks
from glmprov.lint.conditions import holds, version_in
from glmprov.lint.finding import LEVELS, Answer, Finding, Level, Side, all_of, unknown
from glmprov.lint.rules import Rule, rules
from glmprov.lint.situation import Situation
from glmprov.lint.target import Target
from glmprov.recipe import Launch, Recipe, spelled

if TYPE_CHECKING:
    from glmprov.engines.flags import Catalogue

__all__ = ["LEVELS", "Finding", "Level", "Rule", "Side", "Target", "lint", "rules"]


def lint(
    launch: Launch,
    recipe: Recipe,
    target: Target,
    catalogue: Catalogue | None = None,
    *,
    as_published: bool | None = None,
) -> tuple[Finding, ...]:
    """Return what the rules say about a launch on a target, the worst first.

    catalogue is what the launch's release takes (see release.judged_by); None: nobody knows. as_published: whether
    the launch is the recipe's published form; None: it is, unless a correction set one of its values.
    """
    situation = Situation(launch, recipe, target, catalogue, as_published)
    found = [finding for rule in rules().values() for finding in _findings(rule, situation)]
    silent = {
        (id_, each.place)
        for each in found
        if each.level != "unknown"
        for id_ in rules()[each.rule].instead_of
    }
    told = (each for each in found if (each.rule, each.place) not in silent)
    return tuple(sorted(told, key=lambda each: LEVELS.index(each.level)))


def _findings(rule: Rule, situation: Situation) -> Iterator[Finding]:
    for each in _answers(rule, situation):
        if each.holds is None:
            yield _finding(rule, situation, each, "unknown", f"can't be known: {each.reason}")
        elif each.holds:
            yield _finding(rule, situation, each, rule.level, rule.sentence)


def _answers(rule: Rule, situation: Situation) -> Iterable[Answer]:
    if rule.engines and not situation.own_launcher and situation.launch.engine not in rule.engines:
        return ()
    whole = all_of((holds(rule.when, situation), _release(rule, situation)))
    if not rule.check or whole.holds is False or (whole.holds is None and situation.own_launcher):
        return (whole,)
    precise = tuple(checks()[rule.id](situation))
    # What the check denies isn't so, whatever else can't be known.
    return precise if whole.holds else [whole if each.holds else each for each in precise]


def _release(rule: Rule, situation: Situation) -> Answer:
    if not rule.engines:
        return Answer(True)
    if situation.own_launcher:
        return unknown("the image has its own launcher, so nobody knows which engine and release it runs")
    engine = situation.launch.engine
    return version_in(situation, rule.engines[engine], rule.unsettled.get(engine))


def _finding(rule: Rule, situation: Situation, each: Answer, level: Level, sentence: str) -> Finding:
    kind, _, name = rule.place.partition(".")
    place = each.place or (situation.place(kind, name) if name else rule.place)
    if situation.recipe.kind == "quantize":
        place = "script"
    if not each.holds:
        return Finding(rule.id, level, sentence, place, rule.why, "", rule.source, rule.sides)
    values = _values(situation, each.values)
    sentence, why, fix = (text.format_map(values) for text in (sentence, rule.why, rule.fix))
    return Finding(rule.id, level, sentence, place, why, fix, rule.source, rule.sides)


def _values(situation: Situation, more: Mapping[str, object]) -> Mapping[str, object]:
    """Return what a sentence may name: {engine}, {argument[kv_cache_type]}, {flag[…]}, {environment[…]} …"""
    launch = situation.launch
    return {
        "engine": {"vllm": "vLLM", "sglang": "SGLang"}.get(launch.engine, launch.engine),
        "version": situation.version or "of an unknown release",
        "image": launch.image,
        "launcher": " ".join(launch.launcher),
        "model": situation.model,
        "recipe": situation.recipe,
        "gpus": situation.gpus,
        "gpus_used": situation.gpus_used,
        "cards": ", ".join(situation.cards),
        "driver": situation.target.driver,
        "checkpoint": situation.target.model,
        "argument": _Lookup(situation.argument),
        "flag": _Lookup(
            lambda name: spelled(situation.written(name) or situation.engine.written(name) or name)
        ),
        "environment": _Lookup(situation.environment.get),
        "option": _Lookup(launch.options.get),
        **more,
    }


class _Lookup:
    """Something that a format string asks by name; what isn't there is named as such."""

    def __init__(self, find: Callable[[str], object]) -> None:
        self._find = find

    def __getitem__(self, name: str) -> object:
        found = self._find(name)
        return "the default" if found is None else found
