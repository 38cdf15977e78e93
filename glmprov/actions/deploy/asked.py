"""What is asked for on which host: by the command line, by the inventory, and by the recipe that they name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from glmprov.actions.deploy.orders import DeployOrders, wanted_of
from glmprov.actions.deploy.work import Deployment
from glmprov.instance import DEFAULT_NAME, Wanted
from glmprov.instance.wanted import model_name
from glmprov.inventory import Host
from glmprov.recipe import Recipe
from glmprov.recipe.library import Library
from glmprov.settings.instances import Declared, declared


class Asked:
    """What one command asks for. Each recipe is read once."""

    def __init__(self, orders: DeployOrders, library: Library) -> None:
        self._orders = orders
        self._library = library
        self._recipes: dict[str, Recipe] = {}

    def instances(self, host: Host) -> Mapping[str, Declared]:
        """Return the instances that are asked for on a host, with what the inventory says of each."""
        said = declared(host.name, host.variables, host.source)
        orders = self._orders
        if orders.recipe is None:
            chosen = {name: each for name, each in said.items() if each.settings.recipe}
            return {n: each for n, each in chosen.items() if not orders.named or n == orders.wanted.name}
        if orders.named:
            return {orders.wanted.name: said.get(orders.wanted.name, Declared())}
        of_it = [name for name, each in said.items() if each.settings.recipe == orders.recipe]
        name = of_it[0] if len(of_it) == 1 else DEFAULT_NAME
        return {name: said.get(name, Declared())}

    def wanted(self, work: Deployment) -> Wanted:
        """Return what is asked of an instance."""
        return self.wanted_by(work.name, work.declared)

    def wanted_by(self, name: str, declared: Declared | None) -> Wanted:
        """Return what is asked of an instance that the inventory declares so."""
        return wanted_of(name, declared, self._orders.wanted)

    def recipe(self, work: Deployment) -> Recipe:
        """Return an instance's recipe, for the model that is wanted. Raise RecipeError if there is none."""
        name = self._orders.recipe or (work.declared.settings.recipe if work.declared else None) or ""
        if name not in self._recipes:
            self._recipes[name] = self._library.find(name)
        recipe, model = self._recipes[name], self.wanted(work).model
        if model is None or model == recipe.model:
            return recipe
        return replace(recipe, model=model_name(model), revision=None)
