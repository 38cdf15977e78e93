"""Ask engines on this host whether they are well."""

from __future__ import annotations

import http.client
from typing import Any

ASK_SECONDS = 5.0


def health(orders: dict[str, Any]) -> Any:
    """Return the status that each engine's /health answers, by name; 0 where nobody answers."""
    return {name: status(*at) for name, at in orders["engines"].items()}


def status(address: str, port: int) -> int:
    connection = http.client.HTTPConnection(address, port, timeout=ASK_SECONDS)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
