"""What each correction changes, from what to what. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from glmprov.recipe.launch import Change, Launch, Value, changed, spelled, words
from glmprov.recipe.model import Correction, Recipe


@dataclass(frozen=True)
class Effect:
    """One value that changes. None: it isn't there. place is as in Launch.origins, or "renamed.NAME"."""

    place: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Made:
    """A correction with what it changes; nothing, where deploy or a person is told something."""

    correction: Correction
    effects: tuple[Effect, ...]


def made(recipe: Recipe) -> tuple[Made, ...]:
    """Return the corrections of a recipe in their order, each with what it changes."""
    launch, found = recipe.published, []
    for correction in recipe.corrections:
        after = changed(launch, correction.change, "correction")
        found.append(Made(correction, tuple(_effects(launch, after, correction.change))))
        launch = after
    return tuple(found)


def _effects(before: Launch, after: Launch, change: Change) -> Iterator[Effect]:
    yield from _of("version", before.version or None, after.version or None)
    yield from _of("image", before.image, after.image)
    yield from _of("launcher", " ".join(before.launcher) or None, " ".join(after.launcher) or None)
    for old, new in change.renamed.items():
        yield Effect(f"renamed.{old}", spelled(old) or "(model)", spelled(new) or "(model)")
    for kind, names in (
        ("arguments", change.arguments),
        ("environment", change.environment),
        ("options", change.options),
    ):
        there, then = _named(before, kind), _named(after, kind)
        for name in names:
            yield from _of(f"{kind}.{name}", _text(there.get(name)), _text(then.get(name)))


def _named(launch: Launch, kind: str) -> Mapping[str, Value]:
    named: Mapping[str, Value] = getattr(launch, kind)
    return named


def _of(place: str, before: str | None, after: str | None) -> Iterator[Effect]:
    if before != after:
        yield Effect(place, before, after)


def _text(value: Value | None) -> str | None:
    if value is None or value is False:
        return None
    return "given" if value is True else " ".join(words({"": value}))
