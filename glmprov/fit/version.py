"""Releases of engines and drivers: which is newer, and what an engine's release has as a default. Pure."""

from __future__ import annotations

from glmprov.engines.flags import age, catalogue, nearest, versions
from glmprov.errors import CatalogueError
from glmprov.recipe.launch import spelled


def at_least(version: str, first: str) -> bool:
    """Return whether a release is first or newer. "", and what is no release, is taken as the newest."""
    try:
        return not version or age(version) >= age(first)
    except CatalogueError:
        return True


def default(engine: str, version: str, name: str) -> str | None:
    """Return the default of an argument in the nearest release that we have a catalogue of. None: it has none."""
    try:
        listed = nearest(engine, version) if version else versions(engine)[-1]
    except CatalogueError:
        listed = versions(engine)[-1]
    flag = catalogue(engine, listed).flag(spelled(name))
    return None if flag is None or flag.default == "None" else flag.default
