"""Which release of an engine a launch is held against. Pure."""

from __future__ import annotations

from glmprov.engines.flags import ENGINES, Catalogue, catalogue, nearest
from glmprov.errors import CatalogueError
from glmprov.recipe import Launch


def judged_by(launch: Launch) -> Catalogue | None:
    """Return what the launch's release takes, or the nearest that we know. None: nobody knows which release it is."""
    if launch.engine not in ENGINES or not launch.version:
        return None
    try:
        return catalogue(launch.engine, nearest(launch.engine, launch.version))
    except CatalogueError:  # "main" is no release
        return None
