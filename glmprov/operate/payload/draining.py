"""Wait until an engine has no running request, by its own count."""

from __future__ import annotations

import http.client
import re
import time
from typing import Any

from glmprov.operate.payload.telling import Fault, progress

AGAIN_SECONDS = 0.2
ASK_SECONDS = 10.0


def drain(orders: dict[str, Any]) -> Any:
    """Return how many requests still ran at the end, 0 if all were done, and how long it took."""
    begun = time.monotonic()
    headers = {}
    if orders.get("key_file"):
        with open(orders["key_file"], encoding="utf-8") as file:
            headers["Authorization"] = f"Bearer {file.read().strip()}"
    while True:
        running = running_requests(orders, headers)
        seconds = time.monotonic() - begun
        if running <= 0 or seconds >= orders["limit_seconds"]:
            return {"running": running, "seconds": seconds}
        progress({"running": running, "seconds": seconds})
        time.sleep(AGAIN_SECONDS)  # an engine tells its count, and tells nobody when it changes


def running_requests(orders: dict[str, Any], headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection(orders["address"], orders["port"], timeout=ASK_SECONDS)
    try:
        connection.request("GET", "/metrics", headers=headers)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise Fault("no-metrics", f"{orders['address']}:{orders['port']}/metrics: {error}") from None
    finally:
        connection.close()
    if answer.status != 200:
        raise Fault("no-metrics", f"/metrics answers {answer.status} {answer.reason}")
    return counted(text, orders["metric"])


def counted(text: str, metric: str) -> int:
    """Return a metric's sum over all that it is told of: several engines behind one port, say."""
    pattern = re.compile(re.escape(metric) + r"(?:\{[^}]*\})?\s+([0-9.eE+-]+)\s*(?:\d+)?$", re.MULTILINE)
    values = pattern.findall(text)
    if not values:
        raise Fault("no-metrics", f"/metrics tells no {metric}")
    return round(sum(float(value) for value in values))
