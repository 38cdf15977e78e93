"""How a program on a host tells us what happens: one JSON object a line, and an empty line now and then.

{"progress": …} as it goes, then {"result": …} or {"fault": {"kind": …, "text": …}}. The empty lines say that the
program lives; the first that can't be written says that nobody listens any more, and ends it with all that it started,
unless what it does must not be left half done.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

BREATH_SECONDS = 2.0
AT_MOST_EVERY_SECONDS = 0.25

at_hang_up: list[Callable[[], object]] = []
"""What must not outlive us: called before the program ends for want of a listener."""

goes_on = [False]
"""Whether it goes to its end although nobody listens any more."""

_speaking = threading.Lock()
_last_progress = [0.0]
_withheld: list[Any] = []


class Fault(Exception):  # noqa: N818
    """Something that we tell and don't do: kind is a word for the program that reads it, text is for people."""

    def __init__(self, kind: str, text: str, **more: Any) -> None:
        super().__init__(text)
        self.told: dict[str, Any] = {"kind": kind, "text": text, **more}


def tell(message: dict[str, Any]) -> None:
    _write(json.dumps(message) + "\n")


def progress(value: Any, *, now: bool = False) -> None:
    """Tell how far it is, but not more often than anybody reads, unless it must be told now."""
    moment = time.monotonic()
    _withheld[:] = [value]
    if now or moment - _last_progress[0] >= AT_MOST_EVERY_SECONDS:
        _last_progress[0] = moment
        _withheld.clear()
        tell({"progress": value})


def answer(act: Callable[[dict[str, Any]], Any], orders: dict[str, Any]) -> None:
    """Do the act and tell what came of it."""
    threading.Thread(target=_breathe, daemon=True).start()
    try:
        result = act(orders)
    except Fault as fault:
        tell({"fault": fault.told})
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        text = f"{place}{error.strerror or error}"
        tell({"fault": {"kind": "system", "text": text, "errno": error.errno}})
    else:
        tell({"result": result})


def _breathe() -> None:
    while True:
        time.sleep(BREATH_SECONDS)
        withheld = _withheld[:]
        _withheld.clear()
        _write(json.dumps({"progress": withheld[0]}) + "\n" if withheld else "\n")


def _write(text: str) -> None:
    with _speaking:
        try:
            data = text.encode()
            while data:
                data = data[os.write(sys.stdout.fileno(), data) :]
        except OSError:
            if goes_on[0]:
                return
            for end in at_hang_up:
                end()
            os._exit(1)
