"""Fleets as fixtures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from glmprov_program import run
from rehearsal import PROFILES, Fleet, running_fleet


@pytest.fixture(scope="session")
def _root() -> None:
    if os.geteuid() != 0:
        pytest.skip("the rehearsal fleet needs root")


@pytest.fixture(scope="session")
def fleet(_root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet for the whole run: nodes turin-8x and genoa-4x, bare at first, shared by the tests in order."""
    with running_fleet(tmp_path_factory.mktemp("fleet"), *PROFILES) as up:
        yield up


@pytest.fixture(scope="module")
def provisioned(fleet: Fleet) -> Fleet:
    """The fleet for the whole run, brought to its plan before a module's tests. They leave it so."""
    run(fleet, "provision", "--yes", "--reboot").expect(0)
    return fleet


@pytest.fixture
def bring_up(_root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Fleet]]:
    """A function that brings up a fleet for one test, of the profiles that it is given."""
    with ExitStack() as fleets:

        def bring_up(*profiles: str) -> Fleet:
            return fleets.enter_context(running_fleet(tmp_path_factory.mktemp("fleet"), *profiles))

        yield bring_up
