"""What is wrong with the package server, seen from one node: signatures, missing packages, slowness.

A node's faults are a record and, where the index differs, index files that the server takes instead of its own.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from glmprov.errors import LabError
from glmprov.lab import repository

FOLDER = "package-faults"
"""In a fleet's directory: one directory a node, by its address in the fleet's network."""
_RECORD = "faults.json"


@dataclass(frozen=True)
class PackageFaults:
    """withdrawn packages aren't in the index, of lost ones the file isn't there, slow_ms delays each answer."""

    wrong_signature: bool = False
    withdrawn: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    slow_ms: int = 0


def load(folder: Path) -> PackageFaults:
    """Return a node's faults, of its directory."""
    try:
        record = json.loads((folder / _RECORD).read_text())
    except FileNotFoundError:
        return PackageFaults()
    withdrawn, lost = tuple(record["withdrawn"]), tuple(record["lost"])
    return PackageFaults(record["wrong_signature"], withdrawn, lost, record["slow_ms"])


def replacement(folder: Path, path: str) -> Path | None:
    """Return the file that a node gets instead of the one at this path of the server, if there is one."""
    file = folder / "files" / path.lstrip("/")
    return file if file.is_file() else None


def change(content: Path, cache: Path, folder: Path, kind: str, words: list[str]) -> str:
    """Make or mend a fault, bring the node's index files about, and return what is so now."""
    before = load(folder)
    after, said = _changed(before, kind, words)
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f".{_RECORD}"
    beside.write_text(json.dumps(asdict(after)))
    shutil.rmtree(folder / "files", ignore_errors=True)
    if after.wrong_signature or after.withdrawn:
        _write_index(content, cache, folder / "files", after)
    beside.rename(folder / _RECORD)
    return said


def _changed(faults: PackageFaults, kind: str, words: list[str]) -> tuple[PackageFaults, str]:
    switch = words[-1] if words else ""
    if kind == "slow-packages" and len(words) == 1 and (switch.isdigit() or switch == "off"):
        slow_ms = 0 if switch == "off" else int(switch)
        return replace(faults, slow_ms=slow_ms), f"the package server answers {slow_ms} ms later"
    if switch not in ("on", "off") or len(words) != (1 if kind == "wrong-signature" else 2):
        raise LabError(
            "say " + {"slow-packages": "MS or off", "wrong-signature": "on or off"}.get(kind, "NAME on|off")
        )
    broken = switch == "on"
    if kind == "wrong-signature":
        said = "a key that nobody trusts" if broken else "the lab's key"
        return replace(faults, wrong_signature=broken), f"{said} signs the package sources"
    name = words[0]
    said = "isn't in the index" if kind == "withdrawn-package" else "is listed, but not on the server"
    said = f"{name} {said if broken else 'is there'}"
    if kind == "withdrawn-package":
        return replace(faults, withdrawn=_with(faults.withdrawn, name, broken)), said
    return replace(faults, lost=_with(faults.lost, name, broken)), said


def _with(names: tuple[str, ...], name: str, wanted: bool) -> tuple[str, ...]:
    rest = tuple(other for other in names if other != name)
    return (*rest, name) if wanted else rest


def _write_index(content: Path, cache: Path, target: Path, faults: PackageFaults) -> None:
    folders = []
    for source in sorted(path.parent for path in content.glob("*/Release")):
        folders.append(target / source.name)
        repository.copy_index(source, target / source.name, faults.withdrawn)
    key = "untrusted-signing-key.asc" if faults.wrong_signature else "lab-signing-key.asc"
    repository.sign(folders, cache / key, target / "key.asc")
    (target / "key.asc").unlink()
