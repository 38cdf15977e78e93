"""One service stopped and another started with nothing in between: each pause here is a pause of what serves."""

from __future__ import annotations

import time
from typing import Any

from glmprov.operate.payload.cards import free
from glmprov.operate.payload.service import start, stop
from glmprov.operate.payload.telling import goes_on


def swap(orders: dict[str, Any]) -> Any:
    """Stop the unit, prove that its cards' memory is free, start the unit. Return what each said."""
    goes_on[0] = True  # what was stopped and isn't started serves nobody until the next boot
    begun = time.monotonic()
    stopped = stop(orders)
    freed = free(orders)
    started = start(orders)
    return {
        "stop_seconds": stopped["seconds"],
        "freed": freed,
        "start": started,
        "seconds": time.monotonic() - begun,
    }
