"""A folder of the model store, lent to the login while it copies into it."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from glmprov.operate.payload.weights import LENT, alone, tidy, tree


def lend(orders: dict[str, Any]) -> Any:
    """Make the folder and give it, with what is in it, to a user."""
    folder = orders["folder"]
    with alone(folder):
        open(os.path.join(folder, LENT), "w", encoding="utf-8").close()
        _give(folder, orders["uid"], orders["gid"])
    return None


def take_back(orders: dict[str, Any]) -> Any:
    """Make the folder root's again, without what was left half done if all is there."""
    folder = orders["folder"]
    with alone(folder):
        if orders["done"]:
            tidy(folder)
        _give(folder, 0, 0)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(folder, LENT))
    return None


def _give(folder: str, uid: int, gid: int) -> None:
    os.chown(folder, uid, gid)
    for parent, folders, _ in os.walk(folder):
        for name in folders:
            os.chown(os.path.join(parent, name), uid, gid, follow_symlinks=False)
    for entry in tree(folder):
        with contextlib.suppress(FileNotFoundError):
            os.chown(entry.path, uid, gid, follow_symlinks=False)
