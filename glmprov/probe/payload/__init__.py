"""The program that a host runs from standard input, in parts. It gathers and decides nothing.

Standard library only. Nothing is installed, and nothing is written but, into memory (/run/glmprov), marks of
hanging calls and the program's own compiled code. It avoids the costly imports (json, subprocess, hashlib, os: half
of a naive probe's time) and keeps to syntax that every Python 3 can read, so that a Python that is too old can say so.

Where a driver is loaded there are two processes, because a broken driver may never answer: a child asks NVML and
reads the driver's files, and homes, which may lie on a server that is down. The parent reads all else and keeps the
time. A child that is late is killed; one that can't be killed (state D) is reported and left behind, and the next
probe doesn't stack another one on it.

The parts are joined into one text; imports of one part by another are left out of it. nvml.py goes
apart, behind what it calls of nvidia-ml-py, and is compiled only where a driver is loaded. compiled.py stands before
both and has them as texts.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

PARTS = ("values", "reading", "extracts", "pci", "asking", "units", "instances", "watching", "gathering")
"""In an order in which each part stands behind those that it imports."""


_OWN_IMPORT = re.compile(r"^from glmprov\.probe\.payload\.\w+ import (\([^)]*\)|.*)\n", re.MULTILINE)


@cache
def start() -> str:
    """Return the part that finds or makes the code of the others, with the call that starts it."""
    return Path(__file__).with_name("compiled.py").read_text(encoding="utf-8") + "\nrun(sys.stdin.buffer)\n"


@cache
def source() -> str:
    """Return the program that gathers, without NVML's part and without the call that starts it."""
    parts = (Path(__file__).with_name(f"{part}.py").read_text(encoding="utf-8") for part in PARTS)
    return _OWN_IMPORT.sub("", "\n".join(parts))
