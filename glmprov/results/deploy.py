"""What `deploy` and `rollback` did, and their exit code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from glmprov.deployed import InstanceReceipt
from glmprov.drift import Difference
from glmprov.errors import ExitCode, GlmprovError, worst
from glmprov.instance.model import Instance
from glmprov.recipe.effects import Made
from glmprov.recipe.lock import RecipeLock


class Deployed(StrEnum):
    """What became of one instance on one host."""

    DEPLOYED = "DEPLOYED"
    UNCHANGED = "UNCHANGED"
    WRITTEN = "WRITTEN"
    """Files that somebody had changed were written again; the service went on."""
    RESTORED = "RESTORED"
    """It didn't serve, and the host is as it was before."""
    FAILED = "FAILED"
    NOT_BEGUN = "NOT BEGUN"


@dataclass(frozen=True)
class HostDeploy:
    """One instance on one host: what it is to be, and what became of it.

    previous is what was deployed there before; declared says in words what is asked for otherwise, found what isn't
    as it was deployed. restarts: the service has to be started anew. log is the end of a failed start, known_failure
    what we know of it. undrained: which requests of what served before were cut off, or why nobody knows.
    downtime_seconds is from the stop of what served to the first tokens, None where nothing served.
    """

    host: str
    name: str
    word: Deployed = Deployed.NOT_BEGUN
    instance: Instance | None = None
    lock: RecipeLock | None = None
    previous: InstanceReceipt | None = None
    declared: tuple[str, ...] = ()
    found: tuple[Difference, ...] = ()
    restarts: bool = False
    corrections: tuple[Made, ...] = ()
    notes: tuple[str, ...] = ()
    error: GlmprovError | None = None
    batch: int = 0
    not_begun: str = ""
    fetched: tuple[str, ...] = ()
    restored: str = ""
    known_failure: str = ""
    log: str = ""
    undrained: str = ""
    ended: tuple[str, ...] = ()
    tokens: int = 0
    answer: str = ""
    tool_call: bool = False
    downtime_seconds: float | None = None
    stop_seconds: float = 0.0
    start_seconds: float = 0.0
    engine_seconds: float = 0.0


def deploy_code(results: Iterable[HostDeploy]) -> ExitCode:
    """Return the exit code of `deploy`: each host's error; a host that was not begun is a change pending, 3."""
    codes = [each.error.exit_code for each in results if each.error]
    codes += [ExitCode.DRIFT for each in results if each.word is Deployed.NOT_BEGUN and not each.error]
    return worst(codes)
