"""What daemon.json should say: our keys, and of those that nobody asks for now, what was there before us."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from glmprov.plan import daemon_keys
from glmprov.plan.daemon_keys import CGROUP_OPTION, CGROUPFS, OPTIONS, Key
from glmprov.plan.dropped import WHY
from glmprov.plan.situation import Situation, merged, reasons_for
from glmprov.state import Dropped

RUNTIME = "runtimes.nvidia.path"
CGROUPS_WHY = "with systemd a daemon-reload can cut containers off their cards (nvidia-container-toolkit 48)"


@dataclass(frozen=True)
class Daemon:
    """Keys of daemon.json, with those to be taken away, and their reasons. options: the exec-opts that we ask for."""

    keys: Mapping[str, Any]
    reasons: Mapping[str, str]
    options: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def cgroup_driver(self) -> str | None:
        """The cgroup driver that is asked for, None where it is left to others."""
        options = self.keys.get(OPTIONS)
        return _driver(options) if isinstance(options, list) else None


@dataclass(frozen=True)
class _Options:
    """What exec-opts are to be beside theirs; None: they are left alone."""

    value: list[Any] | None
    why: str = ""
    notes: tuple[str, ...] = ()


def daemon(situation: Situation) -> Daemon:
    """Return what daemon.json should say. In a list of options theirs stay beside ours; the inventory's keys win."""
    written, ours = situation.settings.container_engine.daemon or {}, daemon_keys.ours(situation.observation)
    ordered = isinstance(written.get(OPTIONS), list)
    options = _Options(None) if ordered else _options(situation, ours.get(OPTIONS))
    planned = {RUNTIME: "nvidia-container-runtime", OPTIONS: options.value}
    why = {RUNTIME: "containers get their cards through it", OPTIONS: options.why}
    wanted = merged(planned, written)
    gone = {
        path: Dropped(key.was, key.without_us)
        for path, key in ours.items()
        if path not in wanted and key.without_us != key.now
    }
    reasons = {path: reason for path, reason in reasons_for("", why, written).items() if path[1:-1] in wanted}
    reasons |= {
        f"[{path}]": WHY if each.back is None else f"as before us: {WHY}" for path, each in gone.items()
    }
    asked = tuple(map(str, written[OPTIONS])) if ordered else (CGROUPFS,) * (OPTIONS in wanted)
    left = ours[OPTIONS].added if OPTIONS in ours else []
    return Daemon(
        keys={**wanted, **gone},
        reasons={f"container_engine.daemon{path}": reason for path, reason in reasons.items()},
        options=tuple(dict.fromkeys((*asked, *left))),
        notes=options.notes,
    )


def _options(situation: Situation, ours: Key | None) -> _Options:
    """Return exec-opts as theirs with cgroupfs. A cgroup driver that they named is left alone.

    Where we set one before, another is drift and no choice to respect, unless it is the one from before us.
    """
    present = _strings((daemon_keys.now(situation.observation) or {}).get(OPTIONS))
    theirs = _strings(ours.without_us) if ours else present
    named, before = _driver(theirs), (ours.before if ours else None) or ()
    is_theirs = (
        OPTIONS not in daemon_keys.was_applied(situation.observation) or f"{CGROUP_OPTION}{named}" in before
    )
    if named not in (None, "cgroupfs") and is_theirs:
        note = (
            f"daemon.json names the cgroup driver {named}: left alone; device links protect containers of the "
            "NVIDIA runtime, not those that the hook of docker run --gpus gives cards to"
        )
        return _Options(None, notes=(note,))
    others = [option for option in theirs if not option.startswith(CGROUP_OPTION)]
    away = [item for item in (ours.added if ours else ()) if item != CGROUPFS]
    right = [option for option in present if option in (*others, CGROUPFS)]
    value = right if set(right) == {*others, CGROUPFS} else [*others, CGROUPFS]
    return _Options(value, f"{', '.join(away)}: {WHY}" if away else CGROUPS_WHY)


def _strings(options: Any) -> list[str]:
    return [str(option) for option in options] if isinstance(options, list | tuple) else []


def _driver(options: Iterable[Any]) -> str | None:
    named = [str(o).removeprefix(CGROUP_OPTION) for o in options if str(o).startswith(CGROUP_OPTION)]
    return named[-1] if named else None
