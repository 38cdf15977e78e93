"""What is wrong with engines on this node: one line, written by `glmprov lab fault NODE engine …`."""

import os
from dataclasses import dataclass
from pathlib import Path

HARDWARE = Path(os.environ.get("GLMLAB_HARDWARE", "/opt/glmlab"))


@dataclass(frozen=True)
class Fault:
    """kind is "" where all is well. seconds is its number, where it has one."""

    kind: str = ""
    seconds: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.kind)


def now(described: str) -> Fault:
    """Return the fault that hits an engine: none, or that of all, or of those in whose description its word occurs."""
    try:
        words = (HARDWARE / "faults/engine").read_text().split()
    except OSError:
        return Fault()
    if "for" in words:
        at = words.index("for")
        if words[at + 1] not in described:
            return Fault()
        words = words[:at]
    return Fault(words[0], float(words[1]) if len(words) > 1 else 0.0) if words else Fault()
