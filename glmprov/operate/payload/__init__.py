"""The programs that a host runs from standard input, in parts. Standard library only, Python 3.8 and newer.

telling.py comes first: it says how a program tells us, line by line as JSON, how far it is and what came of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

# Types are written down and never looked at there, and typing costs a host as much as the rest of a start.
_HOUSEHOLD = re.compile(
    r"^from (__future__ import annotations|typing import .*|glmprov\.operate\.payload(\.\w+)? import (\([^)]*\)|.*))\n",
    re.MULTILINE,
)


def program(parts: Sequence[str], act: str, orders: Mapping[str, Any]) -> bytes:
    """Return the program that does one act of the last part. The orders travel in it, seen by nobody else."""
    call = f"\nanswer({act}, json.loads({json.dumps(orders)!r}))\n"
    return ("from __future__ import annotations\n" + _source(("telling", *parts)) + call).encode()


@cache
def _source(parts: tuple[str, ...]) -> str:
    texts = (Path(__file__).with_name(f"{part}.py").read_text(encoding="utf-8") for part in parts)
    return _HOUSEHOLD.sub("", "\n".join(texts))
