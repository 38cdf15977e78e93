"""`glmprov recipe render -i`: what a host would get of a recipe, planned as `deploy` plans it; nothing is changed."""

from __future__ import annotations

from pathlib import Path

from glmprov.actions.deploy.looking import Look
from glmprov.actions.deploy.orders import DeployOrders
from glmprov.actions.observe import Fleet, Said
from glmprov.recipe.library import Library
from glmprov.results.deploy import HostDeploy


def recipe_render(
    fleet: Fleet, orders: DeployOrders, library: Library, said: Said, cwd: Path
) -> tuple[HostDeploy, ...]:
    """Return each host's plan. One that deploy would refuse has both: what it would get, and why it doesn't."""
    return tuple(work.told for work in Look(fleet, orders, library, said, cwd).first())
