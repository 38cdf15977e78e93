"""Recipes as JSON. Every document names its schema; a field is never renamed within a schema's version."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from glmprov.recipe import Launch, Recipe
from glmprov.recipe.effects import made
from glmprov.recipe.shell import typed


def recipes_json(recipes: Sequence[Recipe]) -> str:
    """Return all recipes in short."""
    return _document("recipes", recipes=[_head(each) for each in recipes])


def recipe_json(recipe: Recipe) -> str:
    """Return one recipe with everything that is known of it."""
    return _document("recipe", recipe=_whole(recipe))


def rendered_json(recipe: Recipe, launch: Launch | None, script: str | None = None) -> str:
    """Return the launch that a recipe makes, or the script of one that isn't served."""
    return _document("rendered", recipe=recipe.name, launch=launch and _launch(launch), script=script)


def _document(kind: str, **body: Any) -> str:
    return json.dumps({"schema": f"glmprov/{kind}/1", "exit_code": 0, **body}, indent=2, ensure_ascii=False)


def _head(recipe: Recipe) -> dict[str, Any]:
    return {
        "name": recipe.name,
        "alias": recipe.alias or None,
        "title": recipe.title,
        "kind": recipe.kind,
        "author": recipe.author,
        "date": recipe.date.isoformat(),
        "hardware": recipe.hardware or None,
        "model": recipe.model,
        "revision": recipe.revision,
        "engine": recipe.corrected.engine,
        "version": recipe.corrected.version or None,
        "requires": {
            "gpus": recipe.requires.gpus,
            "cards": list(recipe.requires.cards),
            "minimum_driver": recipe.requires.minimum_driver,
        },
        "claims": [
            {
                "what": claim.what,
                "value": claim.value,
                "unit": claim.unit,
                "hardware": claim.hardware,
                "author": claim.author,
                "date": claim.date and claim.date.isoformat(),
                "source": {"text": claim.source.text, "url": claim.source.url},
                "note": claim.note,
            }
            for claim in recipe.claims
        ],
        "place": recipe.place,
    }


def _whole(recipe: Recipe) -> dict[str, Any]:
    gate = recipe.gate
    return {
        **_head(recipe),
        "published": {
            **_launch(recipe.published),
            "text": recipe.published_text or None,
            "version_note": recipe.version_note or None,
        },
        "corrected": {**_launch(recipe.corrected), "script": recipe.corrected_text or None},
        "corrections": [
            {
                "reason": each.correction.reason,
                "source": {"text": each.correction.source.text, "url": each.correction.source.url},
                "fixes": list(each.correction.fixes),
                "changes": [
                    {"place": effect.place, "before": effect.before, "after": effect.after}
                    for effect in each.effects
                ],
            }
            for each in made(recipe)
        ],
        "gate": {
            "start_seconds": gate.start_seconds,
            "prompt": gate.prompt,
            "expected": gate.expected,
            "tool_call": gate.tool_call,
            "drain_seconds": gate.drain_seconds,
        },
        "auth": recipe.auth,
        "moe_config": recipe.moe_config,
        "instead": dict(recipe.instead),
    }


def _launch(launch: Launch) -> dict[str, Any]:
    return {
        "engine": launch.engine,
        "version": launch.version or None,
        "image": launch.image,
        "requirements": launch.requirements,
        "options": _plain(launch.options),
        "environment": dict(launch.environment),
        "argv": list(launch.argv()),
        "command": list(typed(launch)),
        "origins": dict(launch.origins),
    }


def _plain(named: Any) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in named.items()}
