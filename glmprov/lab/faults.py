"""What can break in a node's hardware, on demand. Works through files of the node's hardware folder.

Most faults are files that the simulated NVML looks at. Those that must happen inside the node (a journal
entry, a process) are requests, which a unit of the node carries out.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from glmprov.errors import LabError

_ENGINE_KINDS = (
    *(
        "crash-at-load",
        "out-of-memory",
        "hang-at-warm-up",
        "no-tokens",
        "garbage",
        "slow-start",
        "slow-tokens",
    ),
    *("ignore-sigterm", "orphan", "dies-later", "no-tool-calls"),
)
KINDS: dict[str, str] = {
    "lost-card": "CARD: the card falls off the bus (Xid 79); back after a reboot",
    "missing-card": "CARD on|off: from the next boot on the card isn't there at all",
    "pulled-card": "CARD on|off: the card is gone at once; off: it is there again after a reboot",
    "swapped-card": "CARD: another card of the same kind is in its slot, with another UUID",
    "hang-nvml": "on|deep|off: driver calls don't come back, and ignore SIGTERM; deep: they wait in state D",
    "driver-mismatch": "VERSION|off: the NVML library is of another version than the loaded module",
    "refuse-limit": "CARD on|off: the card takes no power limit",
    "hold-power": "CARD WATTS: the board allows the card so many watts, whatever its limit is; until the next boot",
    "xid": "CARD NUMBER: the kernel's journal gets an entry of that Xid",
    "gpu-busy": "CARD MEBIBYTES|off: a process holds memory of the card",
    "ecc-errors": "CARD NUMBER: the card has had so many uncorrected memory errors",
    "unload-driver": "on: the kernel modules are gone until the next boot or modprobe",
    "dkms": "fails|unsigned on|off: module builds fail, or their modules aren't signed",
    "secure-boot": "on|off: the firmware enforces Secure Boot; modules that are loaded stay",
    "engine": "KIND [SECONDS] [for WORD]|off: engines fail, all or those with WORD in image, version or arguments. "
    f"KIND: {', '.join(_ENGINE_KINDS)}",
    "enroll-keys": "on: somebody confirms at the console the keys that mokutil was given",
}
"""Name of a fault → its arguments and what it does. CARD is an index, a UUID or a bus id."""

_ANSWER_SECONDS = 20.0


def inject(hw: Path, kind: str, args: list[str]) -> str:
    """Break something on the node whose hardware folder this is, or mend it; return what is so now.

    Raise LabError if the fault or the card doesn't exist, or if the node doesn't answer.
    """
    acts: dict[str, tuple[int, Callable[[Path, list[str]], str]]] = {
        "lost-card": (1, _lost_card),
        "missing-card": (2, _missing_card),
        "pulled-card": (2, _pulled_card),
        "swapped-card": (1, lambda place, words: _in_node(place, "swap", _card(place, words[0]))),
        "hang-nvml": (1, _hang),
        "driver-mismatch": (1, _mismatch),
        "refuse-limit": (2, _refuse_limit),
        "hold-power": (2, _hold_power),
        "xid": (2, lambda place, words: _in_node(place, "xid", _card(place, words[0]), _number(words[1]))),
        "gpu-busy": (2, _busy),
        "ecc-errors": (2, _ecc_errors),
        "unload-driver": (1, lambda place, words: _in_node(place, "unload")),
        "dkms": (2, _dkms),
        "secure-boot": (1, _secure_boot),
        "enroll-keys": (1, lambda place, words: _in_node(place, "enroll_keys")),
    }
    if kind == "engine":
        return _engine(hw, args)
    if kind not in acts:
        raise LabError(f"there is no fault {kind}", next_step=f"There are: {', '.join(KINDS)}.")
    count, act = acts[kind]
    if len(args) != count:
        raise LabError(f"{kind} wants: {KINDS[kind].partition(':')[0]}", place=kind)
    return act(hw, args)


def _engine(hw: Path, args: list[str]) -> str:
    """Write what the engine simulator looks at, in every container with cards and outside of containers."""
    words, for_whom = (args[:-2], args[-1]) if args[-2:-1] == ["for"] else (args, "")
    if words == ["off"]:
        _mark(hw, "engine", "off")
        return "engines work"
    if not words or words[0] not in _ENGINE_KINDS:
        choices = ", ".join(_ENGINE_KINDS)
        raise LabError(
            f"say how engines fail, not {' '.join(words) or 'nothing'}",
            next_step=f"One of: {choices}; or off.",
        )
    if len(words) > 2 or not all(word.replace(".", "", 1).isdigit() for word in words[1:]):
        raise LabError(f"after {words[0]} comes a number of seconds, or nothing", place="engine")
    _mark(hw, "engine", "on", " ".join(args))
    return f"engines{f' with {for_whom} in them' if for_whom else ''} fail: {' '.join(words)}"


def _lost_card(hw: Path, args: list[str]) -> str:
    bus_id = _card(hw, args[0])
    _mark(hw, f"lost/{bus_id}", "on")
    return _in_node(hw, "lose", bus_id)


def _missing_card(hw: Path, args: list[str]) -> str:
    bus_id = _card(hw, args[0])
    here = _mark(hw, f"missing/{bus_id}", args[1])
    return f"{bus_id} {'is missing' if here else 'is there'} from the next boot on"


def _pulled_card(hw: Path, args: list[str]) -> str:
    bus_id = _card(hw, args[0])
    if _mark(hw, f"missing/{bus_id}", args[1]):
        return _in_node(hw, "pull", bus_id)
    return f"{bus_id} is there from the next boot on"


def _dkms(hw: Path, args: list[str]) -> str:
    if args[0] not in ("fails", "unsigned"):
        raise LabError(f"say fails or unsigned, not {args[0]}", place="dkms")
    broken = _mark(hw, f"dkms/{args[0]}", args[1])
    effect = {"fails": "module builds fail", "unsigned": "modules aren't signed"}[args[0]]
    return effect if broken else f"no longer: {effect}"


def _secure_boot(hw: Path, args: list[str]) -> str:
    if args[0] not in ("on", "off"):
        raise LabError(f"say on or off, not {args[0]}", place="secure-boot")
    return _in_node(hw, "secure_boot", args[0])


def _hang(hw: Path, args: list[str]) -> str:
    how = args[0]
    if how not in ("on", "deep", "off"):
        raise LabError("say on, deep or off", place="hang-nvml")
    _mark(hw, "hang", "off" if how == "off" else "on", how)
    return "driver calls come back" if how == "off" else "driver calls don't come back"


def _mismatch(hw: Path, args: list[str]) -> str:
    version = args[0]
    _mark(hw, "library-version", "off" if version == "off" else "on", version)
    return (
        "the library is what was installed" if version == "off" else f"the library says that it is {version}"
    )


def _refuse_limit(hw: Path, args: list[str]) -> str:
    bus_id = _card(hw, args[0])
    refuses = _mark(hw, f"refuse-limit/{bus_id}", args[1])
    return f"{bus_id} {'takes no limit' if refuses else 'takes limits again'}"


def _hold_power(hw: Path, args: list[str]) -> str:
    return _in_node(hw, "state", _card(hw, args[0]), "held_mw", 1000 * _number(args[1]))


def _busy(hw: Path, args: list[str]) -> str:
    bus_id = _card(hw, args[0])
    return (
        _in_node(hw, "idle", bus_id) if args[1] == "off" else _in_node(hw, "busy", bus_id, _number(args[1]))
    )


def _ecc_errors(hw: Path, args: list[str]) -> str:
    return _in_node(hw, "state", _card(hw, args[0]), "ecc_uncorrected", _number(args[1]))


def _mark(hw: Path, name: str, switch: str, content: str = "") -> bool:
    """Make or remove a file that the simulated driver looks at; tell which."""
    if switch not in ("on", "off"):
        raise LabError(f"say on or off, not {switch}", place=name.partition("/")[0])
    file = hw / "faults" / name
    if switch == "off":
        file.unlink(missing_ok=True)
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content + "\n")
    return True


def _number(text: str) -> int:
    if not text.isdigit():
        raise LabError(f"{text} is no number")
    return int(text)


def _card(hw: Path, word: str) -> str:
    """Return the bus id of a card by index, UUID or bus id."""
    cards = sorted(
        json.loads((hw / "profile.json").read_text())["cards"], key=lambda card: str(card["bus_id"])
    )
    for index, card in enumerate(cards):
        if word in (str(index), card["uuid"], card["bus_id"]):
            return str(card["bus_id"])
    known = ", ".join(f"{index} ({card['uuid']})" for index, card in enumerate(cards))
    raise LabError(f"there is no card {word}", next_step=f"The cards are: {known}.")


def _in_node(hw: Path, act: str, *args: str | int) -> str:
    """Have something done inside the running node, and wait for its answer."""
    name = f"{time.time_ns()}.json"
    request, answer = hw / "requests" / name, hw / "answers" / name
    beside = request.with_suffix(".part")
    beside.write_text(json.dumps({"act": act, "args": list(args)}))
    beside.rename(request)
    deadline = time.monotonic() + _ANSWER_SECONDS
    while not answer.exists():
        if time.monotonic() > deadline:
            request.unlink(missing_ok=True)
            raise LabError(
                "the node didn't carry it out",
                place=act,
                next_step="See `glmprov lab status`: is it running?",
            )
        time.sleep(0.02)
    result: dict[str, Any] = json.loads(answer.read_text())
    answer.unlink()
    if not result["ok"]:
        raise LabError(str(result["text"]), place=act)
    return str(result["text"])
