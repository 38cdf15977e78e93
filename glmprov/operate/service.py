"""An instance's unit on a host: start, stop, drain, log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from glmprov.engines.stages import Stage
from glmprov.errors import ApplyError
from glmprov.operate.asking import Fault, ask
from glmprov.remote import Channel

LOOK_SECONDS = 60.0
LOG_LINES = 2000
"""How much of a failed start's log is looked at: vLLM's cause stands some hundred lines above its end."""
MARGIN_SECONDS = 120.0


@dataclass(frozen=True)
class UnitState:
    """What systemd knows of a unit. active: "active", "activating", "failed" …; result: "success", "exit-code" …"""

    active: str
    sub: str
    result: str
    exit_status: int
    main_pid: int
    restarts: int
    invocation: str
    control_group: str
    exists: bool = True

    @property
    def at_rest(self) -> bool:
        """Whether nothing of it runs, and systemd won't start it by itself."""
        return self.active in ("inactive", "failed")


@dataclass(frozen=True)
class Started:
    """What came of a start. said is systemctl's word, log the unit's since then; both "" where all went well."""

    ok: bool
    seconds: float
    state: UnitState
    said: str = ""
    log: str = ""
    since: str = ""
    """When it began by the host's clock, for `log`."""


@dataclass(frozen=True)
class StageProgress:
    """A stage of an engine's start of which its log has just spoken."""

    stage: str
    percent: int | None
    seconds: float

    def __str__(self) -> str:
        return self.stage if self.percent is None else f"{self.stage} {self.percent} %"


@dataclass(frozen=True)
class Drained:
    """What ran when the wait was over: 0 is all done. unknown says why the engine's count can't be had."""

    running: int = 0
    seconds: float = 0.0
    unknown: str = ""


def state(channel: Channel, host: str, unit: str) -> UnitState:
    """Return what systemd knows of the unit now."""
    return _state(_ask(channel, host, unit, "state", {}, LOOK_SECONDS))


def start(
    channel: Channel,
    host: str,
    unit: str,
    *,
    start_seconds: float,
    stages: Sequence[Stage] = (),
    heard: Callable[[StageProgress], object] | None = None,
) -> Started:
    """Start the unit, and wait on the host until the job is done: with a gate as ExecStartPost, until tokens came.

    start_seconds is the unit's own limit, by which systemd ends the job. A failed start is no error here.
    """
    progress = None if heard is None else lambda said: heard(StageProgress(**said))
    return started(
        _ask(channel, host, unit, "start", start_orders(stages), start_seconds + MARGIN_SECONDS, progress)
    )


def start_orders(stages: Sequence[Stage]) -> dict[str, Any]:
    """Return what the payload is told that starts a unit."""
    patterns = [{"stage": stage.name, "pattern": stage.pattern} for stage in stages]
    return {"stages": patterns, "lines": LOG_LINES}


def started(said: Mapping[str, Any]) -> Started:
    """Return a start as the payload tells it."""
    return Started(
        said["started"], said["seconds"], _state(said["state"]), said["said"], said["log"], said["since"]
    )


def stop(channel: Channel, host: str, unit: str, *, stop_seconds: float) -> float:
    """Stop the unit, and wait on the host until nothing of it runs. Return the seconds that it took.

    stop_seconds is the unit's own limit, after which systemd kills. Raise ApplyError if it doesn't come to rest.
    """
    said = _ask(channel, host, unit, "stop", {}, stop_seconds + MARGIN_SECONDS)
    return float(said["seconds"])


def log(channel: Channel, host: str, unit: str, lines: int = LOG_LINES, *, since: str = "") -> str:
    """Return the last lines of the unit's log, of those since a start began if that is given."""
    return str(_ask(channel, host, unit, "log", {"lines": lines, "since": since}, LOOK_SECONDS))


def follow(
    channel: Channel, host: str, unit: str, heard: Callable[[float, str], object], *, lines: int = 10
) -> None:
    """Hand on the unit's log as it comes, with the time of each line, until heard raises or we are interrupted."""
    _ask(
        channel, host, unit, "follow", {"lines": lines}, 30 * 86400.0,
        lambda said: heard(said["at"], said["text"]),
    )  # fmt: skip


def drain(
    channel: Channel,
    host: str,
    *,
    port: int,
    metric: str | None,
    limit_seconds: float,
    address: str = "127.0.0.1",
    key_file: str | None = None,
    heard: Callable[[int], object] | None = None,
) -> Drained:
    """Wait until the engine has no running request, at most limit_seconds, by its own metric.

    New requests still come in: who sends them must stop, or be sent elsewhere. key_file lies on the host.
    """
    if metric is None:
        return Drained(unknown="this engine tells no count of running requests that we know")
    orders = {
        "port": port,
        "address": address,
        "metric": metric,
        "limit_seconds": limit_seconds,
        "key_file": key_file,
    }
    progress = None if heard is None else lambda said: heard(said["running"])
    deadline = limit_seconds + LOOK_SECONDS
    try:
        said = ask(
            channel, host, ("draining",), "drain", orders,
            deadline_seconds=deadline, heard=progress, explain=None,
        )  # fmt: skip
    except Fault as fault:
        return Drained(unknown=fault.text)
    return Drained(said["running"], said["seconds"])


def _ask(
    channel: Channel,
    host: str,
    unit: str,
    act: str,
    more: Mapping[str, Any],
    deadline_seconds: float,
    heard: Callable[[Any], object] | None = None,
) -> Any:
    return ask(
        channel, host, ("service",), act, {"unit": unit, **more},
        deadline_seconds=deadline_seconds, explain=partial(explained, unit=unit), heard=heard,
    )  # fmt: skip


def explained(fault: Fault, host: str, unit: str) -> ApplyError:
    """Return what a fault about a unit means."""
    what = f"does not come to rest: {fault.text}" if fault.kind == "does-not-stop" else fault.text
    return ApplyError(
        what, host=host, place=unit, next_step=f"systemctl status {unit}; journalctl -u {unit} -n 50"
    )


def _state(said: Mapping[str, str]) -> UnitState:
    return UnitState(
        said["ActiveState"],
        said["SubState"],
        said["Result"],
        int(said["ExecMainStatus"] or 0),
        int(said["MainPID"] or 0),
        int(said["NRestarts"] or 0),
        said["InvocationID"],
        said["ControlGroup"],
        said["LoadState"] != "not-found",
    )
