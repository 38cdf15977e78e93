"""Ctrl-C is an interrupt in every test: a shell starts what it runs in the background with it ignored.

And what goes to one process, in order, where pytest-xdist deals out the files.
"""

from __future__ import annotations

import signal
from typing import Any

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SHARE_A_FLEET = {
    "hosts": "become check_mode lab lab_engine recipe_fit refusals repair rollout wheel",
    "instances": "deploy deploy_bad_input deploy_failures deploy_together endpoint operate",
}
"""The modules that use the fleet for the whole run, in two groups that take about as long as each other.

A module that uses it and isn't named here brings up one more.
"""


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
