"""What is wrong with registry and hub, seen from one node: a record by the node's address in the fleet's network."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from glmprov.errors import LabError

FOLDER = "service-faults"
"""In a fleet's directory: one file a node, by its address in the fleet's network."""

KINDS = {
    "registry": "down|off: the container registry ends every connection of the node",
    "slow-registry": "MS|off: the registry sends the node each piece of 64 KiB that many milliseconds later",
    "wrong-digest": "on|off: the registry's manifests don't have the digest that the node asked for",
    "moved-tag": "on|off: each tag of the registry stands for another build, with another digest",
    "hub": "down|off: the model hub ends every connection of the node",
    "slow-hub": "MS|off: the hub sends the node each piece of 64 KiB that many milliseconds later",
    "truncated-weights": "on|off: the hub breaks off in the middle of each shard",
    "wrong-sha": "on|off: one byte of each shard from the hub isn't what its sha256 says",
}
"""Name of a fault → its arguments and what it does."""


@dataclass(frozen=True)
class ServiceFaults:
    """A node's faults. *_slow_ms delays each piece of an answer's body."""

    registry_down: bool = False
    registry_slow_ms: int = 0
    wrong_digest: bool = False
    moved_tag: bool = False
    hub_down: bool = False
    hub_slow_ms: int = 0
    truncated_weights: bool = False
    wrong_sha: bool = False


def load(file: Path) -> ServiceFaults:
    """Return a node's faults, of its record."""
    try:
        record = json.loads(file.read_text())
    except FileNotFoundError:
        return ServiceFaults()
    return ServiceFaults(**{one.name: record[one.name] for one in fields(ServiceFaults)})


def change(file: Path, kind: str, words: list[str]) -> str:
    """Make or mend a fault, and return what is so now. Raise LabError if it makes no sense."""
    after, said = _changed(load(file), kind, words)
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(".part")
    beside.write_text(json.dumps(asdict(after)))
    beside.rename(file)
    return said


def _changed(faults: ServiceFaults, kind: str, words: list[str]) -> tuple[ServiceFaults, str]:
    word = words[0] if len(words) == 1 else ""
    service = kind.rpartition("-")[2]
    change: dict[str, Any]
    if kind in ("registry", "hub") and word in ("down", "off"):
        change = {f"{kind}_down": word == "down"}
        return replace(faults, **change), f"the {kind} {'is down' if word == 'down' else 'answers'}"
    if kind in ("slow-registry", "slow-hub") and (word.isdigit() or word == "off"):
        change = {f"{service}_slow_ms": 0 if word == "off" else int(word)}
        return replace(
            faults, **change
        ), f"the {service} sends each piece {change[f'{service}_slow_ms']} ms later"
    if kind in ("wrong-digest", "moved-tag", "truncated-weights", "wrong-sha") and word in ("on", "off"):
        change = {kind.replace("-", "_"): word == "on"}
        said = KINDS[kind].partition(": ")[2]
        return replace(faults, **change), said if word == "on" else f"no longer: {said}"
    raise LabError(f"say {KINDS[kind].partition(':')[0]}", place=kind)
