"""The words in which rules.yml says when a rule holds. Each key of a condition must hold. Pure.

| key | holds if |
|---|---|
| arguments, environment, options | each name's value passes its test; options are those of `docker run` |
| engine | the launch's engine is this one |
| version | the engine's release is in the range, ">=0.32, <0.33" |
| launcher, image, model, text | the text passes; text is the script of a recipe that isn't served |
| gpus, gpus_used | the host's GPUs, and those that the launch takes |
| cards | a card is of one of these editions |
| sm120 | a card is an RTX PRO 6000 Blackwell |
| driver | the host's driver is in the range |
| checkpoint | fields of the model's entry in models.yml pass: quantization, method, block, kv_auto, mtp_bytes |
| container | the engine runs in a container |
| published | the launch is the published form of a recipe that has corrections |
| auth, kind | the recipe's |
| any, not | one of several conditions holds; a condition doesn't |

A test is `given`, `absent`, true (a switch), a number or a comparison (`">= 8"`), a pattern (`fp8*`), or a list: one
of these.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from glmprov import catalog
from glmprov.engines.version import in_range
from glmprov.lint.finding import NO, Answer, all_of, answer, any_of, opposite, unknown
from glmprov.lint.situation import Situation
from glmprov.recipe import Value

Condition = Mapping[str, Any]
COMPARISON = r"(<=|>=|<|>)\s*(-?[\d.]+)"
WILD = frozenset("*?[")
COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
OWN_LAUNCHER = "the image has its own launcher, so nobody knows which arguments the engine gets"


def holds(condition: Condition, situation: Situation) -> Answer:
    """Return whether every key of a condition holds."""
    return all_of(KEYS[key](situation, wanted) for key, wanted in condition.items())


def passes(value: object, test: object) -> bool:
    """Return whether a value passes a test. None: it isn't given. Of several values one must pass."""
    if isinstance(test, (list, tuple)):
        return any(passes(value, each) for each in test)
    if test in ("given", "absent"):
        return (value is None) == (test == "absent")
    if isinstance(value, tuple):
        return any(passes(each, test) for each in value)
    if value is None or isinstance(test, bool) or isinstance(value, bool):
        return value is test
    pattern = str(test)
    if pattern[:1] in "<>" and (comparison := re.fullmatch(COMPARISON, pattern)):
        number = _number(str(value))
        return number is not None and COMPARE[comparison[1]](number, float(comparison[2]))
    # Most patterns are plain words: comparing them costs less than making a regular expression of each.
    return fnmatchcase(str(value), pattern) if WILD.intersection(pattern) else str(value) == pattern


def version_in(situation: Situation, range_: str, unsettled: str | None = None) -> Answer:
    """Return whether the launch's release is in the range. unsettled: nobody has looked at these releases."""
    if range_ == "any":
        return answer(True)
    version, engine = situation.version, situation.launch.engine
    if situation.own_launcher or not version:
        return unknown("nobody knows which release of the engine the image runs")
    if unsettled is not None and in_range(version, unsettled):
        return unknown(f"nobody has looked whether it holds for {engine} {version}")
    return answer(in_range(version, range_))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _arguments(situation: Situation, tests: Mapping[str, object]) -> Answer:
    if situation.own_launcher:
        return unknown(OWN_LAUNCHER)
    return answer(all(passes(situation.argument(name), test) for name, test in tests.items()))


def _environment(situation: Situation, tests: Mapping[str, object]) -> Answer:
    return all_of(_variable(situation, name, test) for name, test in tests.items())


def _variable(situation: Situation, name: str, test: object) -> Answer:
    if situation.own_launcher and name not in situation.environment and passes(None, test):
        return unknown(f"the image may set {name} itself")
    return answer(passes(situation.environment.get(name), test))


def _options(situation: Situation, tests: Mapping[str, object]) -> Answer:
    given: Mapping[str, Value] = situation.launch.options
    return answer(all(passes(given.get(name), test) for name, test in tests.items()))


def _cards(situation: Situation, editions: list[str]) -> Answer:
    known = catalog.load()
    found = [card.edition for name in situation.cards if (card := known.card(name=name)) is not None]
    if situation.target.cards or all(edition in editions for edition in found):
        return answer(any(edition in editions for edition in found))
    if not any(edition in editions for edition in found):
        return NO
    return unknown(f"it holds for {', '.join(editions)} cards, and no host or card is named")


def _sm120(situation: Situation, wanted: bool) -> Answer:
    known = catalog.load()
    return answer(any(known.card(name=name) is not None for name in situation.cards) == wanted)


def _driver(situation: Situation, range_: str) -> Answer:
    if situation.target.driver is None:
        return unknown("no host is named, so the driver isn't known")
    return answer(in_range(situation.target.driver, range_))


def _checkpoint(situation: Situation, tests: Mapping[str, object]) -> Answer:
    model = situation.target.model
    if model is None:
        return unknown(f"{situation.model} isn't in the catalogue of models")
    return answer(all(passes(getattr(model, name), test) for name, test in tests.items()))


KEYS: Mapping[str, Callable[[Situation, Any], Answer]] = {
    "arguments": _arguments,
    "environment": _environment,
    "options": _options,
    "engine": lambda s, name: answer(s.launch.engine == name),
    "version": version_in,
    "launcher": lambda s, test: answer(passes(" ".join(s.launch.launcher), test)),
    "image": lambda s, test: answer(passes(s.launch.image, test)),
    "model": lambda s, test: answer(passes(s.model, test)),
    "text": lambda s, test: answer(passes(s.text, test)),
    "gpus": lambda s, test: answer(passes(str(s.gpus), test)),
    "gpus_used": lambda s, test: answer(passes(str(s.gpus_used), test)),
    "cards": _cards,
    "sm120": _sm120,
    "driver": _driver,
    "checkpoint": _checkpoint,
    "container": lambda s, wanted: answer((s.launch.image is not None) == wanted),
    "published": lambda s, wanted: answer(s.published == wanted),
    "auth": lambda s, test: answer(passes(s.recipe.auth, test)),
    "kind": lambda s, test: answer(passes(s.recipe.kind, test)),
    "any": lambda s, conditions: any_of(holds(each, s) for each in conditions),
    "not": lambda s, condition: opposite(holds(condition, s)),
}
