"""One instance on one host on its way: what is to be done, how far it came, and what became of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from glmprov.actions.deploy.planning import Planned
from glmprov.drift import Difference, Verdict
from glmprov.errors import GlmprovError
from glmprov.inventory import Host
from glmprov.results import HostProvision, HostReview, KeyResult, Mended
from glmprov.secret import Secret
from glmprov.settings.instances import Declared


@dataclass(eq=False)
class Deployment:
    """One instance on one host. Times are of time.monotonic; what hasn't happened is None."""

    host: Host
    name: str
    review: HostReview
    declared: Declared | None = None
    planned: Planned | None = None
    notes: tuple[str, ...] = ()
    key: Secret | None = None
    error: GlmprovError | None = None
    hook_failure: GlmprovError | None = None
    batch: int = 0
    not_begun: str = ""
    fetched: list[str] = field(default_factory=list)
    written: bool = False
    begun: float = field(default_factory=time.monotonic)
    stopped_at: float | None = None
    served_before: bool = False
    started_at: float | None = None
    tokens_at: float | None = None
    tokens: int = 0
    answer: str = ""
    tool_call: bool = False
    engine_seconds: float = 0.0
    restored: str = ""
    log: str = ""
    known_failure: str = ""
    stop_seconds: float = 0.0
    start_seconds: float = 0.0
    ended: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    done: bool = False

    @property
    def todo(self) -> bool:
        """Whether anything is to be done here."""
        return self.error is None and self.planned is not None and self.planned.differs

    @property
    def begun_here(self) -> bool:
        """Whether anything was done on the host."""
        return bool(self.written or self.fetched)

    @property
    def failed(self) -> bool:
        """Whether something went wrong."""
        return bool(self.error or self.hook_failure)

    @property
    def downtime_seconds(self) -> float | None:
        """From the stop of what served to the first tokens of what serves now. None: nothing served before."""
        if not self.served_before or self.stopped_at is None or self.tokens_at is None:
            return None
        return self.tokens_at - self.stopped_at

    @property
    def differences(self) -> tuple[Difference, ...]:
        """What is changed, as the history and hooks are told: one key for the instance, and what drifted."""
        if self.planned is None:
            return ()
        before = self.planned.previous
        was = f"{before.recipe}, receipt {before.number}" if before else None
        key = f"engine_service[{self.name}]"
        now = f"{self.planned.instance.recipe}: {'; '.join(self.planned.declared) or 'as it was deployed'}"
        return (Difference(self.host.name, key, now, was, Verdict.PENDING), *self.planned.found)

    @property
    def result(self) -> HostProvision:
        """What became of it, in the terms of the history and of hooks."""
        mended = Mended.FIXED if self.done else Mended.SKIPPED if self.not_begun else Mended.FAILED
        keys = tuple(
            KeyResult(
                each.key, each.observed, each.expected, each.expected if self.done else each.observed, mended
            )
            for each in self.differences
        )
        return HostProvision(
            self.host.name,
            keys,
            error=self.error,
            applied=self.written,
            seconds=time.monotonic() - self.begun,
            failure=self.hook_failure,
            batch=self.batch,
            not_begun=self.not_begun,
        )
