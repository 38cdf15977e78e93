"""The locks of one run: each recipe is resolved once for all its hosts."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from glmprov.actions.deploy.fetching import lock_of_folder
from glmprov.actions.deploy.orders import DeployOrders
from glmprov.actions.observe import Fleet, Said
from glmprov.actions.recipe.lock import lock_of, resolved
from glmprov.errors import GlmprovError, UnreachableError, UsageError
from glmprov.instance import Wanted, final
from glmprov.instance.wanted import is_folder
from glmprov.inventory import Host
from glmprov.operate import hub
from glmprov.recipe import Launch, Recipe
from glmprov.recipe.lock import RecipeLock, require
from glmprov.remote import connect


class Locks:
    """By recipe.lock where it holds, else as the first host sees registry and hub."""

    def __init__(self, fleet: Fleet, orders: DeployOrders, said: Said, cwd: Path) -> None:
        self._fleet = fleet
        self._orders = orders
        self._said = said
        self._cwd = cwd
        self._known: dict[tuple[str, str | None], RecipeLock | GlmprovError] = {}

    def of(self, host: Host, recipe: Recipe, wanted: Wanted) -> RecipeLock:
        """Return the lock of what is wanted on a host. Raise GlmprovError if it can't be had; what that is, is kept.

        A host that can't be reached says nothing of the recipe: the next one is asked.
        """
        if recipe.kind != "serve":
            raise UsageError(
                f"{recipe.name} is of kind {recipe.kind}: there is nothing to serve",
                next_step=recipe.instead.get("deploy"),
            )
        launch = final(recipe, wanted)[0]
        launch = replace(launch, image=None if wanted.venv else launch.image)
        # A folder is each host's own.
        model = f"{host.name} {wanted.model}" if is_folder(wanted.model) else recipe.model
        key = f"{recipe.name} {model}", launch.image
        if key not in self._known or isinstance(self._known[key], UnreachableError):
            try:
                self._known[key] = self._new(host, recipe, launch, wanted)
            except GlmprovError as error:
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, GlmprovError):
            raise found
        return found

    def _new(self, host: Host, recipe: Recipe, launch: Launch, wanted: Wanted) -> RecipeLock:
        if wanted.model is not None and is_folder(wanted.model):
            if self._orders.locked:
                raise UsageError(
                    f"--locked: {wanted.model} is a folder of the host's own, which no lock knows",
                    next_step="leave --locked out, or deploy the recipe's model",
                )
            with connect(host, self._fleet.connection) as channel:
                return lock_of_folder(channel, host.name, recipe, launch, wanted.model)
        lock, moved = lock_of(recipe, self._cwd, launch)
        if self._orders.locked:
            return require(lock, recipe, launch)
        if lock is not None and not moved:
            return lock
        for what in moved:
            self._said(host.name, f"recipe.lock: {what}; resolving it anew")
        url = hub.endpoint(self._orders.hub, os.environ)
        with connect(host, self._fleet.connection) as channel:
            return resolved(channel, host.name, recipe, launch, url, hub.token(), self._said)
