"""Which recipe a deployment is of, and its lock: found or made once for all hosts."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from glmprov.actions.deploy.fetching import lock_of_folder
from glmprov.actions.deploy.orders import DeployOrders, wanted_of
from glmprov.actions.deploy.work import Deployment
from glmprov.actions.observe import Fleet, Said
from glmprov.actions.recipe_lock import lock_of, resolved
from glmprov.errors import GlmprovError, UnreachableError, UsageError
from glmprov.instance import Wanted, final
from glmprov.instance.wanted import is_folder, model_name
from glmprov.operate import hub
from glmprov.recipe import Recipe
from glmprov.recipe.library import Library
from glmprov.recipe.lock import RecipeLock, require
from glmprov.remote import connect


class Locks:
    """The recipes of a run, and what each was resolved to."""

    def __init__(self, fleet: Fleet, orders: DeployOrders, library: Library, said: Said, cwd: Path) -> None:
        self._fleet = fleet
        self._orders = orders
        self._library = library
        self._said = said
        self._cwd = cwd
        self._recipes: dict[str, Recipe] = {}
        self._locks: dict[tuple[str, str | None], RecipeLock | GlmprovError] = {}

    def wanted(self, work: Deployment) -> Wanted:
        """Return what is asked of an instance: by the inventory, and by the command line above it."""
        return wanted_of(work.name, work.declared, self._orders.wanted)

    def recipe(self, work: Deployment) -> Recipe:
        """Return a deployment's recipe, for the model that is wanted."""
        name = self._orders.recipe or (work.declared.settings.recipe if work.declared else None) or ""
        if name not in self._recipes:
            self._recipes[name] = self._library.find(name)
        recipe, model = self._recipes[name], self.wanted(work).model
        if model is None or model == recipe.model:
            return recipe
        return replace(recipe, model=model_name(model), revision=None)

    def of(self, work: Deployment) -> RecipeLock | GlmprovError:
        """Return the lock, or why there is none. make() was asked for it before."""
        return self._locks[self._key(work)]

    def make(self, work: Deployment) -> None:
        """Lock the deployment's recipe, once for all hosts: by recipe.lock, else as this host sees it.

        A host that can't be reached says nothing of the recipe: the next one is asked.
        """
        key = self._key(work)
        if key not in self._locks or isinstance(self._locks[key], UnreachableError):
            try:
                self._locks[key] = self._made(work, key[1])
            except GlmprovError as error:
                self._locks[key] = error

    def _key(self, work: Deployment) -> tuple[str, str | None]:
        recipe = self.recipe(work)
        if recipe.kind != "serve":
            return recipe.name, None
        wanted = self.wanted(work)
        image = None if wanted.venv else final(recipe, wanted)[0].image
        # A folder is each host's own.
        model = f"{work.host.name} {wanted.model}" if is_folder(wanted.model) else recipe.model
        return f"{recipe.name} {model}", image

    def _made(self, work: Deployment, image: str | None) -> RecipeLock:
        recipe, wanted = self.recipe(work), self.wanted(work)
        if recipe.kind != "serve":
            raise UsageError(
                f"{recipe.name} is of kind {recipe.kind}: there is nothing to serve",
                next_step=recipe.instead.get("deploy"),
            )
        launch = replace(final(recipe, wanted)[0], image=image)
        if wanted.model is not None and is_folder(wanted.model):
            with connect(work.host, self._fleet.connection) as channel:
                return lock_of_folder(channel, work.host.name, recipe, launch, wanted.model)
        lock, moved = lock_of(recipe, self._cwd, launch)
        if self._orders.locked:
            return require(lock, recipe, launch)
        if lock is not None and not moved:
            return lock
        for what in moved:
            self._said(work.host.name, f"recipe.lock: {what}; resolving it anew")
        url = hub.endpoint(self._orders.hub, os.environ)
        with connect(work.host, self._fleet.connection) as channel:
            return resolved(channel, work.host.name, recipe, launch, url, hub.token(), self._said)
