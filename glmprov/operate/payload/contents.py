"""What an operator's own model folder holds."""

from __future__ import annotations

import json
import os
from typing import Any

from glmprov.operate.payload.telling import Fault


def contents(orders: dict[str, Any]) -> Any:
    """Return the files of a model's folder with their sizes. Raise Fault if it isn't one, or lacks what it names."""
    folder = orders["folder"]
    found = {os.path.relpath(path, folder): os.stat(path).st_size for path in shown(folder)}
    if "config.json" not in found:
        raise Fault("no-model", folder)
    named = {shard for path in found if path.endswith(".index.json") for shard in shards(folder, path)}
    absent = sorted(named - set(found))
    if absent:
        raise Fault("lacks", ", ".join(absent))
    return [{"path": path, "size_bytes": size} for path, size in sorted(found.items())]


def shown(folder: str) -> Any:
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (os.path.join(where, name) for name in names if not name.startswith("."))


def shards(folder: str, index: str) -> Any:
    """Return the files that an index names, by their paths in the folder."""
    try:
        with open(os.path.join(folder, index), encoding="utf-8") as file:
            named = json.load(file)["weight_map"].values()
    except (OSError, ValueError, KeyError, AttributeError):
        raise Fault("system", f"{index} isn't an index of weights") from None
    return {os.path.normpath(os.path.join(os.path.dirname(index), name)) for name in named}
