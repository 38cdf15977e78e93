"""Recipes as a person and as a program read them."""

from glmprov.report.recipe.json import recipe_json, recipes_json, rendered_json
from glmprov.report.recipe.text import recipe_text, recipes_text, rendered_text, script_text

__all__ = [
    "recipe_json",
    "recipe_text",
    "recipes_json",
    "recipes_text",
    "rendered_json",
    "rendered_text",
    "script_text",
]
