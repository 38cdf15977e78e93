"""The cards of a host: who holds their memory, and how it becomes free. And who listens at a port."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from glmprov.errors import ApplyError, GlmprovError
from glmprov.operate.asking import Fault, ask
from glmprov.probe.nvml_cut import nvml_source
from glmprov.remote import Channel
from glmprov.sizes import in_words

PARTS = ("cards",)
"""Parts of payload/."""
LOOK_SECONDS = 60.0
TERM_SECONDS = 10.0
"""How long a process of ours has between SIGTERM and SIGKILL."""
LIMIT_SECONDS = 60.0
IDLE_BYTES = 2 << 30
"""What the driver itself may keep of a card: some hundred MiB with persistence. An engine holds far more."""


@dataclass(frozen=True)
class Process:
    """A process on a host. pid and started (ticks since boot) name it for good; pid 0: one that we may not see."""

    pid: int
    started: str
    name: str
    command: str
    cgroup: str
    used_bytes: int = 0
    killed: bool = False
    """It was ended, and not by being asked."""

    def __str__(self) -> str:
        return f"{self.name or 'a process'} (pid {self.pid}, {self.cgroup or 'no control group'})"


@dataclass(frozen=True)
class CardMemory:
    """What is used of one card, and by whom."""

    used_bytes: int
    processes: tuple[Process, ...]


@dataclass(frozen=True)
class Freed:
    """Cards whose memory nobody holds. ended: whom of ours we ended for it."""

    seconds: float
    ended: tuple[Process, ...] = ()


def memory(channel: Channel, host: str, uuids: Sequence[str]) -> Mapping[str, CardMemory]:
    """Return who holds memory of the cards, by UUID."""
    orders = {"nvml": nvml_source(), "uuids": list(uuids)}
    said = ask(channel, host, PARTS, "look", orders, explain=explained, deadline_seconds=LOOK_SECONDS)
    return {
        uuid: CardMemory(card["used_bytes"], tuple(map(_process, card["processes"])))
        for uuid, card in said.items()
    }


def free(
    channel: Channel,
    host: str,
    uuids: Sequence[str],
    *,
    marks: Sequence[str],
    recorded: Sequence[tuple[int, str]] = (),
    limit_seconds: float = LIMIT_SECONDS,
    heard: Callable[[str], object] | None = None,
) -> Freed:
    """Prove that nobody holds memory of these cards; end what is ours, first by asking, then by force.

    Ours is a process of whose control group a part holds one of marks (the unit's name, the container's id), or that
    was recorded as (pid, started). Raise ApplyError, and end nobody, if somebody else holds memory there.
    """
    said = ask(
        channel,
        host,
        PARTS,
        "free",
        free_orders(uuids, marks, recorded=recorded, limit_seconds=limit_seconds),
        deadline_seconds=limit_seconds + LOOK_SECONDS,
        explain=explained,
        heard=None if heard is None else lambda said: heard(waiting(said)),
    )
    return Freed(said["seconds"], tuple(map(_process, said["ended"])))


def free_orders(
    uuids: Sequence[str],
    marks: Sequence[str],
    *,
    recorded: Sequence[tuple[int, str]] = (),
    limit_seconds: float = LIMIT_SECONDS,
) -> dict[str, Any]:
    """Return what the payload is told that proves cards free."""
    return {
        "nvml": nvml_source(), "uuids": list(uuids), "marks": [mark for mark in marks if mark],
        "recorded": [{"pid": pid, "started": started} for pid, started in recorded],
        "term_seconds": TERM_SECONDS, "limit_seconds": limit_seconds, "idle_bytes": IDLE_BYTES,
    }  # fmt: skip


def waiting(said: Mapping[str, Any]) -> str:
    """Return the payload's progress in words."""
    return f"waiting for {said['used_bytes'] / 1e9:.1f} GB of VRAM, held by {said['holding']} processes"


def processes(said: Sequence[Mapping[str, Any]]) -> tuple[Process, ...]:
    """Return processes as the payload tells them."""
    return tuple(map(_process, said))


def listener(channel: Channel, host: str, port: int) -> Process | None:
    """Return who listens at a TCP port of the host, None if nobody does."""
    orders = {"port": port}
    said = ask(channel, host, PARTS, "listener", orders, explain=explained, deadline_seconds=LOOK_SECONDS)
    return None if said is None else _process(said)


def _process(said: Mapping[str, Any]) -> Process:
    return Process(
        said["pid"], said["started"], said["name"], said["command"], said["cgroup"],
        said.get("bytes", 0), said.get("killed", False),
    )  # fmt: skip


def explained(fault: Fault, host: str) -> GlmprovError:
    """Return what a fault about cards means."""
    who = ", ".join(str(_process(each)) for each in fault.more.get("processes", ()))
    if fault.kind == "others":
        return ApplyError(
            f"somebody else holds memory of the cards: {who}", host=host, place="VRAM",
            next_step="end it, or give the instance other cards (--gpus)",
        )  # fmt: skip
    if fault.kind == "still-used":
        used = ", ".join(f"{uuid}: {in_words(size)}" for uuid, size in fault.more["used"].items())
        return ApplyError(
            f"the cards' memory does not become free: {who or 'nobody is seen to hold it'}; {used}",
            host=host, place="VRAM",
            next_step="look for a process in state D, or in a container that hides it; a reboot frees it",
        )  # fmt: skip
    if fault.kind == "no-card":
        return ApplyError(
            f"these cards are not there: {fault.text}",
            host=host,
            place="VRAM",
            next_step=f"glmprov audit -l {host}",
        )
    return ApplyError(
        f"NVML doesn't say who holds the cards' memory: {fault.text}", host=host, place="VRAM",
        next_step=f"glmprov facts -l {host}",
    )  # fmt: skip
