"""By which of another host's addresses this one reaches it."""

from __future__ import annotations

import os
import threading
import urllib.request
from typing import Any
from urllib.parse import quote

from glmprov.operate.payload.fetching import opener, why
from glmprov.operate.payload.telling import Fault

REACH_SECONDS = 5.0


def reach(orders: dict[str, Any]) -> Any:
    """Return the first of the servers that would give a file to whoever has the token. All are asked at once."""
    os.environ["no_proxy"] = "*"
    refused: dict[str, str] = {}
    asking = [threading.Thread(target=ask, args=(orders, server, refused)) for server in orders["servers"]]
    for one in asking:
        one.start()
    for number, server in enumerate(orders["servers"]):
        asking[number].join()
        if server not in refused:
            return server
    raise Fault("unreached", "; ".join(f"{server}: {said}" for server, said in refused.items()))


def ask(orders: dict[str, Any], server: str, refused: dict[str, str]) -> None:
    """Ask for what comes after a file's last byte: nobody but the giver answers that with nothing and a 206."""
    file = orders["file"]
    url = f"{server}/{quote(orders['model'])}/resolve/{orders['revision']}/{quote(file['path'])}"
    asked = {"Authorization": f"Bearer {orders['token']}", "Range": f"bytes={file['size_bytes']}-"}
    try:
        with opener().open(urllib.request.Request(url, headers=asked), timeout=REACH_SECONDS) as answer:
            if answer.status != 206:
                refused[server] = "something else answers there"
    except Exception as error:  # whatever it is, it isn't reached there
        refused[server] = why(error)
