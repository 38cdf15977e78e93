"""What the data of a rule can't say: one pure function a rule, named after it.

A check is asked when the rule's condition holds, and answers with yes for each place where it holds; nothing: nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import import_module

from glmprov.lint.finding import Answer
from glmprov.lint.situation import Situation

Check = Callable[[Situation], Iterable[Answer]]
MODULES = ("arguments", "container", "environment", "memory", "moe", "parser", "shape", "topology")


@cache
def checks() -> Mapping[str, Check]:
    """Return the checks by the id of their rule."""
    found = [import_module(f"{__name__}.{module}") for module in MODULES]
    return {
        name.replace("_", "-"): check
        for module in found
        for name, check in vars(module).items()
        if callable(check) and getattr(check, "__module__", "") == module.__name__ and name[0] != "_"
    }
