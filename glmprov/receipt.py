"""What glmprov leaves on a host besides its settings: the receipt of what was applied, the lock while it works."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from glmprov.made_once import made_once
from glmprov.state import HostState

RECEIPT_PATH = "/var/lib/glmprov/receipt.json"
RECEIPT_VERSION = 1
PACKAGES_PATH = "/var/lib/glmprov/packages.json"


@dataclass(frozen=True)
class Receipt:
    """The record that provisioning leaves on the host, at RECEIPT_PATH.

    expected is the state that was asked for; cards are the UUIDs that were there; files maps each file that
    we wrote to the sha256 it had afterwards; settings are the inventory's values that led to it. before is what
    each key was before we first changed it, in JSON's terms; installed the version that each package of ours had
    before, None where it was absent; plan the id of the saved plan that the last change was of, "" if of none.
    """

    written_at: str
    by: str
    controller: str
    glmprov_version: str
    expected: HostState
    cards: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)
    installed: Mapping[str, str | None] = field(default_factory=dict)
    plan: str = ""
    version: int = RECEIPT_VERSION


@dataclass(frozen=True)
class Packages:
    """What the roles did to a host's packages, from PACKAGES_PATH.

    before is the version that each package had before we brought or moved it, None where it was absent; holds are the
    packages that we put on hold; sources the files of package sources that we wrote, with their sums.
    """

    before: Mapping[str, str | None] = field(default_factory=dict)
    holds: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LockState:
    """A lock as the host has it. seconds_left is what its lease has left, below zero once expired."""

    owner: str
    reason: str
    since: str
    seconds_left: float
    boot_id: str = ""
    reboot_expected: bool = False

    @property
    def live(self) -> bool:
        """Whether its lease still runs."""
        return self.seconds_left > 0

    @property
    def text(self) -> str:
        """Who holds it, since when, why and for how long, in one line."""
        lease = f"lease ends in {self.seconds_left:.0f} s" if self.live else "its lease has run out"
        reboot = ", a reboot is expected" if self.reboot_expected else ""
        return f"{self.owner} since {self.since}: {self.reason}{reboot}; {lease}"


@made_once()
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(Receipt)


def to_json(receipt: Receipt) -> str:
    """Return the receipt as the text of RECEIPT_PATH, with a digest that tells whether somebody edited it since."""
    content = _adapter().dump_python(receipt, mode="json")
    return json.dumps({**content, "digest": _digest(content)}, indent=1, ensure_ascii=False) + "\n"


def from_json(text: str) -> Receipt:
    """Given the text of RECEIPT_PATH, return the receipt. Raise ValueError if it isn't one of ours, as written."""
    try:
        receipt: Receipt = _adapter().validate_json(text)
    except ValueError:
        raise ValueError("it isn't what glmprov wrote: damaged, or edited by hand") from None
    if receipt.version != RECEIPT_VERSION:
        raise ValueError(
            f"receipt of version {receipt.version}, this program reads version {RECEIPT_VERSION}"
        )
    content = json.loads(text)
    digest = content.pop("digest", None)
    if digest is not None and digest != _digest(content):
        raise ValueError("it was edited by hand since glmprov wrote it")
    return receipt


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def packages_from_json(text: str) -> Packages:
    """Given the text of PACKAGES_PATH, return what it says. Raise ValueError if it isn't ours."""
    record = json.loads(text)
    if not isinstance(record, dict):
        raise ValueError("it holds no object")
    before, holds, sources = (record.get(name, kind()) for name, kind in _RECORDED.items())
    for (name, kind), value in zip(_RECORDED.items(), (before, holds, sources), strict=True):
        if not isinstance(value, kind):
            raise ValueError(f"{name} isn't of the form that glmprov writes")
    versions = {str(name): None if old is None else str(old) for name, old in before.items()}
    return Packages(
        versions, tuple(map(str, holds)), {str(path): str(sum_) for path, sum_ in sources.items()}
    )


_RECORDED: Mapping[str, type[Any]] = {"packages": dict, "holds": list, "sources": dict}
