"""The program that a host runs from standard input, in parts. It gathers and decides nothing.

Standard library only. Nothing is installed, and nothing but marks of hanging calls (HANGING) is written. It
avoids the costly imports (json, subprocess, hashlib, signal, socket: half of a naive probe's time) and
keeps to syntax that every Python 3 can read, so that a Python that is too old can say so.

Three processes: the parent keeps the time and prints; the worker reads files, asks systemd, journal and
Docker; the third asks NVML, because a broken driver may never answer. A child that is late is killed; one
that can't be killed (state D) is reported and left behind, and the next probe doesn't stack another one
on it.

The parts are joined into one text; imports of one part by another are left out of it. nvml.py goes
apart, behind what it calls of nvidia-ml-py, and is compiled only where a driver is loaded.
"""

from __future__ import annotations

import re
from pathlib import Path

PARTS = ("reading", "pci", "asking", "watching", "gathering")
"""In an order in which each part stands behind those that it imports."""


_OWN_IMPORT = re.compile(r"^from glmprov\.probe\.payload\.\w+ import (\([^)]*\)|.*)\n", re.MULTILINE)


def source() -> str:
    """Return the program, without the call that starts it."""
    parts = (Path(__file__).with_name(f"{part}.py").read_text(encoding="utf-8") for part in PARTS)
    return _OWN_IMPORT.sub("", "\n".join(parts))
