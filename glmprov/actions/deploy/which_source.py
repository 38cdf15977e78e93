"""Which source the weights of an instance have, by what a person said."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from glmprov.actions.deploy.sources import FromHere, FromHost, FromHub, InPlace, Source
from glmprov.actions.deploy.work import Deployment
from glmprov.actions.observe import Fleet
from glmprov.errors import UsageError
from glmprov.instance import Wanted
from glmprov.instance.wanted import is_folder
from glmprov.inventory import Host
from glmprov.operate import hub, weights
from glmprov.recipe.lock import ModelLock, RecipeLock
from glmprov.settings.instances import model_root
from glmprov.settings.weights_from import WAYS, WeightsFrom, weights_from

_PLACE = "--weights-from, or weights_from"


class Sources:
    """Which source the weights of each instance have. Hosts beyond the run's are looked up when one is named."""

    def __init__(self, fleet: Fleet, said_hub: str | None, cwd: Path) -> None:
        self._fleet = fleet
        self._hub = said_hub
        self._cwd = cwd

    def of(self, host: Host, wanted: Wanted, lock: RecipeLock, folder: str) -> Source:
        """Return where a host's weights come from. folder is where they are to be.

        Raise UsageError if what is asked for makes no sense, before any host is asked.
        """
        from_hub = FromHub(hub.endpoint(self._hub or lock.hub, os.environ))
        place = self.place(wanted)
        if wanted.weights:
            return InPlace()
        if place is None:
            return from_hub
        if not place.host:
            return FromHere(self._here(place.folder), self._fleet.connection)
        giver = self._everyone[place.host]
        at = place.folder or weights.folder(lock.model, model_root(giver.variables) or weights.ROOT)
        # Who is to give what it hasn't got yet fetches it as if nothing were said.
        same = giver.name == host.name and at == folder
        return from_hub if same else FromHost(giver, at, self._fleet.connection)

    def place(self, wanted: Wanted) -> WeightsFrom | None:
        """Return the place that weights are copied from, None: a hub. Raise UsageError if there is no such place."""
        if not wanted.weights_from:
            return None
        for option, folder in (("weights", wanted.weights), ("model", wanted.model)):
            if folder is not None and is_folder(folder):
                raise UsageError(
                    f"--{option} {folder} is a folder on the host, so nothing is copied there",
                    place=_PLACE,
                    next_step=f"leave out --weights-from, or --{option}",
                )
        try:
            found = weights_from(wanted.weights_from)
        except ValueError as error:
            raise UsageError(str(error), place=_PLACE) from error
        if found is not None and found.host:
            self._refuse_doubtful(found)
        elif found is not None and not self._here(found.folder).is_dir():
            raise UsageError(
                f"there is no folder {self._here(found.folder)} on this machine",
                place=_PLACE,
                next_step="HOST:/folder is one on another host, --weights /folder one on the host itself",
            )
        return found

    def _here(self, folder: str) -> Path:
        return self._cwd / Path(folder).expanduser()

    @cached_property
    def _everyone(self) -> dict[str, Host]:
        return {host.name: host for host in self._fleet.everyone()}

    def _refuse_doubtful(self, place: WeightsFrom) -> None:
        """Raise UsageError where a word is no host of the inventory, or may be a folder here as well."""
        names = self._everyone
        is_host, is_here = place.host in names, not place.is_sure and (self._cwd / place.host).is_dir()
        if is_host and is_here:
            raise UsageError(
                f"{place.host} is a host of the inventory, and a folder here",
                place=_PLACE,
                next_step=f"write {place.host}: for the host, ./{place.host} for the folder",
            )
        if not is_host:
            near = get_close_matches(place.host, names, 1)
            raise UsageError(
                f"the inventory has no host {place.host}",
                place=_PLACE,
                next_step=f"write ./{place.host} for the folder here" if is_here
                else f"did you mean {near[0]}?" if near else WAYS,
            )  # fmt: skip


def offer(works: Sequence[Deployment]) -> None:
    """Where a hub is to give what another host of the run has, note which."""
    for work in works:
        ahead = work.ahead
        if ahead is None or not ahead.files or not isinstance(ahead.source, FromHub):
            continue
        others = (each for each in works if each.host is not work.host and _has(each, ahead.model))
        giver = next(others, None)
        if giver is not None and giver.planned is not None:
            work.ahead = replace(ahead, offer=f"{giver.host.name}:{giver.planned.instance.weights.folder}")


def _has(work: Deployment, model: ModelLock) -> bool:
    """Say whether a host has all of a model: what runs as it was deployed does."""
    planned = work.planned
    if work.error is not None or planned is None or planned.lock is None or planned.lock.model != model:
        return False
    return not planned.differs or (work.ahead is not None and not work.ahead.files)
