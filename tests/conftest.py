"""Ctrl-C is an interrupt in every test: a shell starts what it runs in the background with it ignored.

And what goes to one process, in order, where pytest-xdist deals out the files; and room for several fleets at a time.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SHARE_A_FLEET = {
    "hosts": "become check_mode lab lab_engine recipe_fit refusals repair rollout wheel",
    "instances": "deploy deploy_bad_input deploy_failures endpoint",
    "swaps": "deploy_batches deploy_changes deploy_sources deploy_together operate",
}
"""The modules that use the fleet for the whole run, in groups that take about as long as each other.

A module that uses it and isn't named here brings up one more.
"""


INOTIFY_INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
ENOUGH = 1024
"""A node takes about ten, and the usual limit of a user is 128."""


@contextmanager
def room_for_fleets() -> Iterator[None]:
    """Raise the limit that several fleets at a time would meet, for as long as the tests run."""
    before = int(INOTIFY_INSTANCES.read_text())
    if before >= ENOUGH or os.geteuid() != 0:
        yield
        return
    INOTIFY_INSTANCES.write_text(f"{ENOUGH}\n")
    try:
        yield
    finally:
        INOTIFY_INSTANCES.write_text(f"{before}\n")


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Iterator[None]:
    """Run the tests of all processes with room for their fleets."""
    if hasattr(session.config, "workerinput") or not session.config.getoption("numprocesses", None):
        return (yield)
    with room_for_fleets():
        return (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Deal out files, as `--dist loadfile` does, but those that share a fleet as one."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    groups = {
        f"tests/e2e/test_{name}.py": key for key, names in SHARE_A_FLEET.items() for name in names.split()
    }

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file: str = super()._split_scope(nodeid)
            return groups.get(file, file)

    return Scheduling(config, log)
