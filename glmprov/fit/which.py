"""Which model a launch means: an id, a folder with such a name, or what its recipe says. Pure."""

from __future__ import annotations

from difflib import get_close_matches

from glmprov.catalog.models import Model, models
from glmprov.fit.asked import FitError


def model_of(named: str, recipe_model: str = "") -> tuple[Model, tuple[str, ...]]:
    """Return the model, and why it can't be had under this name.

    named is what the launch gives. A folder on a host counts by its last part, else for the recipe's model. Raise
    FitError for a model that we don't know.
    """
    catalog = models()
    folder = named.startswith(("/", ".", "~")) or named.count("/") != 1
    for name in (named, *((_in_folder(named), recipe_model) if folder else ())):
        if name in catalog.known:
            return catalog.known[name], ()
        if name in catalog.absent:
            absent = catalog.absent[name]
            return catalog.known[absent.instead], (f"{absent.id}: {absent.reason}",)
    wanted = named or recipe_model or "no model"
    near = get_close_matches(wanted, [*catalog.known, *catalog.absent], 1, 0.5)
    raise FitError(
        f"model {wanted}: its shape isn't known",
        next_step=f"did you mean {near[0]}?" if near else f"known: {', '.join(catalog.known)}",
    )


def _in_folder(path: str) -> str:
    """Return the id whose last part is the folder's name, or ""."""
    last = path.rstrip("/").rpartition("/")[2]
    catalog = models()
    return (
        next((name for name in (*catalog.known, *catalog.absent) if name.endswith(f"/{last}")), "")
        if last
        else ""
    )
