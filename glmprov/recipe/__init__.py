"""Recipes: a published command, its corrections, and what is known of both."""

from glmprov.recipe.launch import Change, Launch, Value, changed, spelled, words
from glmprov.recipe.model import Claim, Correction, Gate, Recipe, Requirements, Source

__all__ = [
    "Change",
    "Claim",
    "Correction",
    "Gate",
    "Launch",
    "Recipe",
    "Requirements",
    "Source",
    "Value",
    "changed",
    "spelled",
    "words",
]
