"""One instance on one host on its way: what is to be done, how far it came, and what became of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from glmprov.actions.deploy.planned import Planned
from glmprov.actions.deploy.weights_ahead import Ahead
from glmprov.drift import Difference, Verdict
from glmprov.errors import GlmprovError
from glmprov.inventory import Host
from glmprov.recipe.effects import Made
from glmprov.results.deploy import Deployed, HostDeploy
from glmprov.results.provision import HostProvision, KeyResult, Mended
from glmprov.results.review import HostReview
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
    ahead: Ahead | None = None
    corrections: tuple[Made, ...] = ()
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
    meant_to_serve: bool = False
    started_at: float | None = None
    tokens_at: float | None = None
    tokens: int = 0
    answer: str = ""
    tool_call: bool = False
    engine_seconds: float = 0.0
    restored: str = ""
    log: str = ""
    known_failure: str = ""
    undrained: str = ""
    stop_seconds: float = 0.0
    start_seconds: float = 0.0
    ended: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    done: bool = False

    @property
    def todo(self) -> bool:
        """Whether anything is to be done here."""
        return self.error is None and self.planned is not None and self.planned.differs

    @property
    def cards(self) -> tuple[str, ...]:
        """The cards that it had and is to have."""
        if self.planned is None:
            return ()
        before = self.planned.previous.gpus if self.planned.previous else ()
        return tuple(dict.fromkeys((*before, *self.planned.instance.gpus)))

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
    def told(self) -> HostDeploy:
        """What became of it, ready for any report."""
        planned = self.planned
        return HostDeploy(
            host=self.host.name,
            name=self.name,
            word=self._word,
            instance=planned.instance if planned else None,
            lock=planned.lock if planned else None,
            previous=planned.previous if planned else None,
            declared=planned.declared if planned else (),
            found=planned.found if planned else (),
            restarts=bool(planned and planned.restarts),
            corrections=self.corrections,
            notes=tuple(self._notes),
            error=self.error or self.hook_failure,
            batch=self.batch,
            not_begun=self.not_begun,
            fetched=tuple(self.fetched),
            restored=self.restored,
            known_failure=self.known_failure,
            log=self.log,
            undrained=self.undrained,
            ended=self.ended,
            tokens=self.tokens,
            answer=self.answer,
            tool_call=self.tool_call,
            downtime_seconds=self.downtime_seconds,
            stop_seconds=self.stop_seconds,
            start_seconds=self.start_seconds,
            engine_seconds=self.engine_seconds,
        )

    @property
    def _notes(self) -> Iterator[str]:
        yield from self.planned.instance.notes if self.planned else ()
        if self.ahead is not None:
            yield str(self.ahead)
        yield from self.notes

    @property
    def _word(self) -> Deployed:
        if self.done and self.planned is not None:
            return Deployed.DEPLOYED if self.planned.restarts else Deployed.WRITTEN
        if self.restored:
            return Deployed.RESTORED
        if self.failed:
            return Deployed.FAILED
        return Deployed.NOT_BEGUN if self.not_begun or self.todo else Deployed.UNCHANGED

    @property
    def keys(self) -> tuple[KeyResult, ...]:
        """What became of each difference."""
        mended = Mended.FIXED if self.done else Mended.SKIPPED if self.not_begun else Mended.FAILED
        return tuple(
            KeyResult(
                each.key, each.observed, each.expected, each.expected if self.done else each.observed, mended
            )
            for each in self.differences
        )


def by_host(works: Sequence[Deployment]) -> dict[str, list[Deployment]]:
    """Return the deployments of each host, in their order, by its name."""
    found: dict[str, list[Deployment]] = {}
    for work in works:
        found.setdefault(work.host.name, []).append(work)
    return found


def became(works: Sequence[Deployment]) -> HostProvision:
    """Return what became of all instances of one host, in the terms of the history and of hooks."""
    first = works[0]
    left = [work.not_begun for work in works if work.not_begun]
    return HostProvision(
        first.host.name,
        tuple(key for work in works for key in work.keys),
        error=next((work.error for work in works if work.error), None),
        applied=any(work.written for work in works),
        seconds=time.monotonic() - first.begun,
        failure=first.hook_failure,
        batch=first.batch,
        not_begun=left[0] if len(left) == len(works) else "",
    )
