"""The receipt of a host: what was applied to it, and what its keys were before."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from glmprov.journal import HOME
from glmprov.journal.asking import ask
from glmprov.receipt import Receipt, to_json
from glmprov.remote import Channel


def write(channel: Channel, receipt: Receipt, forgotten: Collection[str] = (), *, home: str = HOME) -> None:
    """Put the receipt on the host, in one step and on disk. forgotten are keys of which nothing of ours is left."""
    asked = {"home": home, "name": "receipt.json", "text": to_json(receipt), "forgotten": sorted(forgotten)}
    ask(channel, "store", asked)


def take_back(channel: Channel, receipt: Receipt | None, *, home: str = HOME) -> None:
    """Leave this receipt, and what its keys were before, after taking back; None leaves neither."""
    asked = {"home": home, "receipt.json": receipt and to_json(receipt)}
    before = receipt and json.dumps(dict(receipt.before), indent=1) + "\n"
    ask(channel, "leave", asked | {"before.json": before})


def read_before(channel: Channel, *, home: str = HOME) -> Mapping[str, Any]:
    """Return what each key was before our first change, by the host's own record; nothing where that is damaged."""
    text = ask(channel, "load", {"home": home, "name": "before.json"}).get("text")
    try:
        known = json.loads(text or "{}")
    except ValueError:
        return {}
    return known if isinstance(known, dict) else {}
