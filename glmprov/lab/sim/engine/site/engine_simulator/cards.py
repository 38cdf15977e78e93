"""The simulated cards that this process may use, and holding their memory so that the simulated NVML shows it.

A process holds memory by a locked file, holders/lock-…: whoever asks the kernel who locks it learns the number of the
process as seen from where it asks, also across containers, and the lock ends with the process however it ends.
"""

import fcntl
import os
import struct
import uuid
from dataclasses import dataclass
from pathlib import Path

from engine_simulator.faults import HARDWARE

STATE = Path(os.environ.get("GLMLAB_STATE", "/run/glmlab"))
GIB = float(1 << 30)
_FLOCK = "hhqqi"


@dataclass(frozen=True)
class Card:
    """A card that the driver has. usable is what torch calls its total memory."""

    bus_id: str
    uuid: str
    name: str
    total_bytes: int
    reserved_bytes: int
    capability: tuple[int, int]

    @property
    def usable_bytes(self) -> int:
        return self.total_bytes - self.reserved_bytes

    @property
    def folder(self) -> Path:
        return STATE / "cards" / self.bus_id / "holders"

    def free_bytes(self) -> int:
        """Return what nobody holds."""
        return self.usable_bytes - sum(_held(path) for path in self.folder.glob("*"))


def visible() -> list[Card]:
    """Return the cards in CUDA's order: as CUDA_VISIBLE_DEVICES says, which ends at the first that it doesn't know."""
    every = [_card(path.name) for path in sorted((STATE / "driver/cards").glob("*"))] if loaded() else []
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    if wanted is None:
        return every
    chosen = []
    for word in wanted.split(","):
        match = [card for index, card in enumerate(every) if word in (str(index), card.uuid)]
        match = match or [card for card in every if word.startswith("GPU-") and card.uuid.startswith(word)]
        if not match:
            break
        chosen.append(match[0])
    return chosen


def loaded() -> bool:
    """Tell whether there is a driver."""
    return (STATE / "driver/version").exists()


class Holding:
    """Memory of one card, held until the process ends."""

    def __init__(self, card: Card) -> None:
        card.folder.mkdir(parents=True, exist_ok=True)
        for path in card.folder.glob("lock-*"):
            if not _is_locked(path):
                path.unlink(missing_ok=True)
        self.path = card.folder / f"lock-{uuid.uuid4().hex[:12]}"
        self._file = self.path.open("w+")
        fcntl.lockf(self._file, fcntl.LOCK_EX)

    def resize(self, size: int) -> None:
        """Hold so many bytes from now on. The number's width stays: readers never see a part of it."""
        os.pwrite(self._file.fileno(), b"%20d\n" % size, 0)

    def release(self) -> None:
        """Hold nothing any more."""
        self.path.unlink(missing_ok=True)
        self._file.close()


def _card(bus_id: str) -> Card:
    lines = (HARDWARE / "cards" / bus_id / "facts").read_text().splitlines()
    facts = dict(line.partition("=")[::2] for line in lines)
    major, minor = facts.get("compute_capability", "12.0").split(".")
    return Card(
        bus_id,
        facts["uuid"],
        facts["name"],
        int(facts["memory_bytes"]),
        int(facts.get("reserved_bytes", "0")),
        (int(major), int(minor)),
    )


def _is_locked(path: Path) -> bool:
    try:
        with path.open() as file:
            asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            return struct.unpack(_FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, asked))[0] != fcntl.F_UNLCK
    except OSError:
        return False


def _held(path: Path) -> int:
    """Return the bytes of a holder that lives: one with a lock, or a process by its number."""
    alive = _is_locked(path) if path.name.startswith("lock-") else Path("/proc", path.name).exists()
    try:
        return int(path.read_text().strip() or 0) if alive else 0
    except (OSError, ValueError):
        return 0
