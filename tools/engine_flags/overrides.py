"""Adds to the flags what overrides.toml knows better."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("overrides.toml")


class Overrides:
    """The rows of the table, and which of them were used."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = tomllib.loads(TABLE.read_text(encoding="utf-8"))["flag"]
        self.used: set[int] = set()

    def apply(
        self, engine: str, version: str, flags: list[dict[str, Any]], values: Callable[[str], list[str]]
    ) -> None:
        """Change the flags that a row names; values() gives what a row's "from" points to."""
        for number, row in enumerate(self.rows):
            flag = next((f for f in flags if row["name"] in f["names"]), None)
            if row["engine"] != engine or flag is None or release(version) < release(row.get("since", "0")):
                continue
            self.used.add(number)
            flag |= {key: row[key] for key in ("choices", "checked", "open") if key in row}
            if "from" in row:
                flag["choices"] = values(row["from"])

    def unused(self, engines: set[str]) -> list[str]:
        """Return the rows of these engines that fitted no version."""
        return [
            f"{row['engine']} {row['name']}"
            for number, row in enumerate(self.rows)
            if row["engine"] in engines and number not in self.used
        ]


def release(version: str) -> tuple[int, ...]:
    """Return a version as numbers to compare; a post-release counts as one number more."""
    return tuple(int(part) for part in re.findall(r"\d+", version))
