"""What the verbs return: one result a host, typed, ready for any report."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol

from glmprov.deployed import InstanceReceipt
from glmprov.drift import Difference, Verdict, waiting
from glmprov.errors import ExitCode, GlmprovError, worst
from glmprov.history import Act
from glmprov.instance.model import Instance
from glmprov.observation import Observation
from glmprov.plan import HostPlan
from glmprov.receipt import LockState
from glmprov.recipe.effects import Made
from glmprov.recipe.lock import RecipeLock
from glmprov.state import Disruption, Manage, Unknown

if TYPE_CHECKING:
    from glmprov.fit.hosts import HostFit
    from glmprov.recipe.model import Recipe


@dataclass(frozen=True)
class HostFacts:
    """A host as it is, or why it could not be read. named are the inventory's sets of cards.

    With both, the host was read, and the error is about what the inventory says of it.
    """

    host: str
    observation: Observation | None = None
    error: GlmprovError | None = None
    named: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class HostRecipeFit:
    """A recipe held against a host's cards, or why the host could not be read."""

    host: str
    found: HostFit | None = None
    error: GlmprovError | None = None


@dataclass(frozen=True)
class HostOffers:
    """The recipes for a purpose, each held against a host's cards, the likeliest first."""

    host: str
    offers: tuple[tuple[Recipe, HostFit], ...] = ()
    error: GlmprovError | None = None


@dataclass(frozen=True)
class HostReview:
    """A host held against its plan: what `plan` and `audit` show."""

    host: str
    observation: Observation | None = None
    plan: HostPlan | None = None
    differences: tuple[Difference, ...] = ()
    error: GlmprovError | None = None

    def having(self, *verdicts: Verdict) -> tuple[Difference, ...]:
        """Return the differences with one of the verdicts."""
        return tuple(d for d in self.differences if d.verdict in verdicts)

    @property
    def enforced(self) -> tuple[Difference, ...]:
        """The differences of keys that are ours to mend."""
        return tuple(d for d in self.differences if d.manage is Manage.ENFORCE)

    @property
    def serving(self) -> tuple[str, ...]:
        """The instances that serve on the host."""
        return self.observation.serving if self.observation else ()

    def waiting(self, allowed: Collection[Disruption] = ()) -> tuple[Difference, ...]:
        """Return what would interrupt an instance that serves, but for what is allowed to."""
        return waiting(self.differences, self.serving, allowed)


class Mended(StrEnum):
    """What became of one key, by a second look."""

    FIXED = "FIXED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    UNKNOWN = "UNKNOWN"
    PENDING_REBOOT = "PENDING REBOOT"
    WAITS = "WAITS"
    """It would interrupt an instance that serves, and nobody allowed that."""


@dataclass(frozen=True)
class KeyResult:
    """One key that differed: from before to expected, and what a fresh probe found."""

    key: str
    before: Any
    expected: Any
    after: Any
    result: Mended
    reason: str = ""
    disruption: Disruption = Disruption.NONE


@dataclass(frozen=True)
class Waiting:
    """What waits while these instances serve: what it would interrupt, and the command that does it."""

    serving: tuple[str, ...]
    classes: tuple[Disruption, ...]
    command: str


@dataclass(frozen=True)
class HostProvision:
    """What provisioning did on one host.

    applied: an ansible-playbook ran for it; failure: why it stopped, or why the hook after it failed. batch counts
    from 1, 0 for a host with nothing to do. not_begun: why a host with something to do was left as it is.
    """

    host: str
    keys: tuple[KeyResult, ...] = ()
    notes: tuple[str, ...] = ()
    error: GlmprovError | None = None
    applied: bool = False
    rebooted: bool = False
    seconds: float = 0.0
    failure: GlmprovError | None = None
    batch: int = 0
    not_begun: str = ""
    waiting: Waiting | None = None

    @property
    def failed(self) -> bool:
        """Whether something went wrong on it."""
        return bool(self.error or self.failure or self.count(Mended.FAILED))

    def count(self, result: Mended) -> int:
        """Return how many keys had this result."""
        return sum(key.result is result for key in self.keys)


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
    what we know of it. downtime_seconds is from the stop of what served to the first tokens, None where nothing served.
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
    ended: tuple[str, ...] = ()
    tokens: int = 0
    answer: str = ""
    tool_call: bool = False
    downtime_seconds: float | None = None
    stop_seconds: float = 0.0
    start_seconds: float = 0.0
    engine_seconds: float = 0.0


@dataclass(frozen=True)
class HostInstance:
    """One instance on one host as it is. active is systemd's word; done says what was done with it just now."""

    host: str
    name: str
    receipt: InstanceReceipt | Unknown | None = None
    active: str = ""
    restarts: int | Unknown | None = None
    differences: tuple[Difference, ...] = ()
    error: GlmprovError | None = None
    done: str = ""


@dataclass(frozen=True)
class HostEndpoint:
    """Where one instance serves; no key is in it.

    model is the name that a request gives. address is how others reach the host, listen where the engine listens there.
    metrics: whether it serves /metrics, None where nobody knows. active is systemd's word; healthy is the engine's own
    answer just now, None where it has no /health that we know of.
    """

    host: str
    name: str
    recipe: str = ""
    engine: str = ""
    model: str = ""
    address: str = ""
    listen: str = ""
    port: int = 0
    gpus: int = 0
    key_file: str | None = None
    metrics: bool | None = None
    active: str = ""
    healthy: bool | None = None
    error: GlmprovError | None = None

    @property
    def local(self) -> bool:
        """Whether only the host itself reaches it."""
        return self.listen in ("localhost", "::1") or self.listen.startswith("127.")

    @property
    def serves(self) -> bool:
        """Whether it takes requests: its unit is up, which takes tokens, and the engine doesn't say otherwise."""
        return self.active == "active" and self.healthy is not False

    @property
    def target(self) -> str:
        """Address and port, as others write them."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True)
class Prunable:
    """Something on a host that no kept receipt names. kind is receipt, image, cache or weights; name is the host's."""

    kind: Literal["receipt", "image", "cache", "weights"]
    name: str
    size_bytes: int = 0
    about: str = ""


@dataclass(frozen=True)
class HostPrune:
    """What can go from a host, what went, and why the rest of it didn't. error: nothing of the host was touched."""

    host: str
    items: tuple[Prunable, ...] = ()
    kept: tuple[str, ...] = ()
    gone: tuple[Prunable, ...] = ()
    failed: Mapping[str, GlmprovError] = field(default_factory=dict)
    error: GlmprovError | None = None


@dataclass(frozen=True)
class HookCall:
    """What a hook is told: before a host is changed what will be, after it also what became of it."""

    event: Literal["before", "after"]
    batch: int
    review: HostReview
    changes: tuple[Difference, ...]
    result: HostProvision | None = None


@dataclass(frozen=True)
class HostLock:
    """The lock of one host; info None: nobody holds it. released: it was taken away just now."""

    host: str
    info: LockState | None = None
    error: GlmprovError | None = None
    released: bool = False

    @property
    def text(self) -> str:
        """Who holds the lock, or held it until just now, in one line."""
        if self.info is None:
            return "not locked"
        return f"released, was held by {self.info.text}" if self.released else self.info.text


@dataclass(frozen=True)
class HostHistory:
    """The changes on one host, the newest last. unread counts lines of its journal that can't be read."""

    host: str
    acts: tuple[Act, ...] = ()
    unread: int = 0
    error: GlmprovError | None = None


@dataclass(frozen=True)
class TrustedKey:
    """A host key that known_hosts holds; added: it was written now."""

    name: str
    kind: str
    fingerprint: str
    file: str
    added: bool


@dataclass(frozen=True)
class HostTrust:
    """The keys of a host and of the jump hosts on the way to it, or why they could not be trusted."""

    host: str
    keys: tuple[TrustedKey, ...] = ()
    error: GlmprovError | None = None


class FailOn(StrEnum):
    """What counts towards the exit code of `audit`."""

    DRIFT = "drift"
    PENDING = "pending"
    UNKNOWN = "unknown"
    UNREACHABLE = "unreachable"


def audit_code(reviews: Iterable[HostReview], fail_on: frozenset[FailOn] = frozenset(FailOn)) -> ExitCode:
    """Return the exit code of an audit: drift and pending changes are 3, unknown and unreachable are 4."""
    codes = []
    for review in reviews:
        if review.error is not None:
            unreachable = review.error.exit_code is ExitCode.UNREACHABLE
            if not unreachable or FailOn.UNREACHABLE in fail_on:
                codes.append(review.error.exit_code)
        if FailOn.DRIFT in fail_on and review.having(Verdict.DRIFT):
            codes.append(ExitCode.DRIFT)
        if FailOn.PENDING in fail_on and review.having(Verdict.PENDING, Verdict.LATER):
            codes.append(ExitCode.DRIFT)
        if FailOn.UNKNOWN in fail_on and review.having(Verdict.UNKNOWN):
            codes.append(ExitCode.UNREACHABLE)
    return worst(codes)


def plan_code(reviews: Iterable[HostReview], exit_code: bool) -> ExitCode:
    """Return the exit code of `plan`: errors always count, pending changes (3) only with --exit-code."""
    codes = [review.error.exit_code for review in reviews if review.error]
    if exit_code and any(d.verdict is not Verdict.UNKNOWN for review in reviews for d in review.enforced):
        codes.append(ExitCode.DRIFT)
    return worst(codes)


def provision_code(results: Iterable[HostProvision]) -> ExitCode:
    """Return the exit code of `provision`: a failed key is 1, a host's error has its own code.

    What waits for an instance and hosts that were not begun are changes pending, 3.
    """
    codes = []
    for result in results:
        if result.error is not None:
            codes.append(result.error.exit_code)
        elif result.failed:
            codes.append(ExitCode.FAILED)
        if result.count(Mended.UNKNOWN):
            codes.append(ExitCode.UNREACHABLE)
        if result.not_begun or result.count(Mended.WAITS):
            codes.append(ExitCode.DRIFT)
    return worst(codes)


def deploy_code(results: Iterable[HostDeploy]) -> ExitCode:
    """Return the exit code of `deploy`: each host's error; a host that was not begun is a change pending, 3."""
    codes = [each.error.exit_code for each in results if each.error]
    codes += [ExitCode.DRIFT for each in results if each.word is Deployed.NOT_BEGUN and not each.error]
    return worst(codes)


def prune_code(results: Sequence[HostPrune]) -> ExitCode:
    """Return the exit code of `prune`: each host's error, and each thing's that wouldn't go."""
    codes = [each.error.exit_code for each in results if each.error]
    codes += [error.exit_code for each in results for error in each.failed.values()]
    return worst(codes)


def fit_code(results: Sequence[HostRecipeFit]) -> ExitCode:
    """Return the exit code of `recipe fit` with an inventory: a host's error counts, and that no host can run it."""
    codes = [result.error.exit_code for result in results if result.error]
    if not any(result.found and result.found.strategy for result in results):
        codes.append(ExitCode.FAILED)
    return worst(codes)


def offers_code(results: Sequence[HostOffers]) -> ExitCode:
    """Return the exit code of `recipe suggest` with an inventory, by the same rule."""
    codes = [result.error.exit_code for result in results if result.error]
    if not any(found.strategy for result in results for _, found in result.offers):
        codes.append(ExitCode.FAILED)
    return worst(codes)


class _Ended(Protocol):
    """What ended well, or with an error."""

    @property
    def error(self) -> GlmprovError | None: ...


def errors_code(results: Iterable[_Ended]) -> ExitCode:
    """Return the exit code of a command that only looks: the worst host's error."""
    return worst([result.error.exit_code for result in results if result.error])
