"""What is recommended for a purpose, what was measured for and against it, and what of it fits. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

from glmprov.catalog import read
from glmprov.engines.meaning import engine_of
from glmprov.fit.asked import asked_by
from glmprov.fit.terms import Card
from glmprov.fit.verdict import Fit, fit
from glmprov.fit.which import model_of
from glmprov.recipe.launch import Change, Launch, changed
from glmprov.recipe.model import Recipe


@dataclass(frozen=True)
class Measurement:
    """What somebody measured. values are by kind of quantization; side says whether it backs the recommendation."""

    side: Literal["for", "against"]
    what: str
    values: Mapping[str, object]
    unit: str
    hardware: str
    author: str
    date: object
    source: str
    note: str


@dataclass(frozen=True)
class Purpose:
    """A row of the recommendations. recommended and avoid name kinds, recipes ours that serve the recommended."""

    name: str
    scenario: str
    recommended: tuple[str, ...]
    how: str
    avoid: tuple[str, ...]
    recipes: tuple[str, ...]
    measurements: tuple[Measurement, ...]
    source: str


@dataclass(frozen=True)
class Kind:
    """A kind of quantization, and the model that stands for it."""

    name: str
    quantization: tuple[str, ...]
    model: str


@dataclass(frozen=True)
class Suggestions:
    """Everything that catalog/suggestions.yml says."""

    kinds: tuple[Kind, ...]
    purposes: Mapping[str, Purpose]


@cache
def suggestions() -> Suggestions:
    """Return the suggestions, with the sources spelled out."""
    content = read("suggestions.yml")
    sources = content["sources"]
    measured = {
        name: Measurement(**{**values, "source": sources[values["source"]]})
        for name, values in content["measurements"].items()
    }
    return Suggestions(
        tuple(
            Kind(name, tuple(each["quantization"]), each["model"]) for name, each in content["kinds"].items()
        ),
        {name: _purpose(name, values, measured, sources) for name, values in content["purposes"].items()},
    )


def _purpose(
    name: str, values: Mapping[str, Any], measured: Mapping[str, Measurement], sources: Mapping[str, str]
) -> Purpose:
    return Purpose(
        name,
        values["scenario"],
        tuple(values["recommended"]),
        values["how"],
        tuple(values["avoid"]),
        tuple(values["recipes"]),
        tuple(measured[each] for each in values["measurements"]),
        sources["book"],
    )


@dataclass(frozen=True)
class Offer:
    """A recipe for a purpose, held against cards."""

    recipe: Recipe
    found: Fit


def offers(recipes: Sequence[Recipe], card: Card, gpus: int) -> tuple[Offer, ...]:
    """Hold recipes against cards, in their order; those that fit come first."""
    held = [Offer(recipe, _held(recipe.corrected, recipe.model, card, gpus)) for recipe in recipes]
    return tuple(sorted(held, key=lambda offer: not offer.found.fits))


def kinds_on(recipe: Recipe, card: Card, gpus: int) -> Iterator[tuple[Kind, Fit]]:
    """Yield for each kind of quantization how a recipe would fit, if only the model were another.

    The context is what fits, and the KV cache what the checkpoint and FP8 make of it.
    """
    for kind in suggestions().kinds:
        yield kind, _held(_for_model(recipe.corrected, kind.model), kind.model, card, gpus)


def _for_model(launch: Launch, model: str) -> Launch:
    engine = engine_of(launch)
    name = engine.name_in(launch, "model") or engine.written("model") or ""
    context = engine.name_in(launch, "context_tokens")
    arguments = {name: model, **({context: None} if context else {})}
    return changed(launch, Change(arguments=arguments), "suggest")


def _held(launch: Launch, model_id: str, card: Card, gpus: int) -> Fit:
    model, reasons = model_of(asked_by(launch).model, model_id)
    asked = asked_by(launch)
    if asked.context_tokens is None:
        asked = replace(asked, context_tokens=0)
    return fit(model, asked, card, gpus=gpus, reasons=reasons)
