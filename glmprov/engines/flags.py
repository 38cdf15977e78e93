"""The catalogue of an engine version: every flag and variable it knows, read from its own wheel.

The data lie in glmprov/catalog/engines/ENGINE-VERSION.json and are made by tools/read_engine_flags.py. This module
needs nothing but the standard library, so that it also runs where only Python is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from glmprov.engines.records import Flag, SetByEngine, Variable, spellings
from glmprov.errors import CatalogueError
from glmprov.made_once import made_once

__all__ = [
    "ENGINES",
    "Catalogue",
    "Flag",
    "SetByEngine",
    "Variable",
    "age",
    "catalogue",
    "nearest",
    "versions",
]

FOLDER = Path(__file__).parents[1] / "catalog" / "engines"
ENGINES = ("sglang", "vllm")
VERSION = re.compile(
    r"v?(?P<release>\d+(?:\.\d+)*)(?:\.?(?P<before>a|b|rc|dev)(?P<number>\d+))?(?:\.post(?P<post>\d+))?"
)


@dataclass(frozen=True, eq=False)
class Catalogue:
    """What one version of an engine accepts.

    Flags and variables are made of the rows of the file when they are asked for: a lint needs twenty of a thousand.
    """

    engine: str
    version: str
    rows: Mapping[str, Any] = field(repr=False)

    @cached_property
    def flags(self) -> tuple[Flag, ...]:
        """Return every flag, in the order in which the engine's parser gets them."""
        return tuple(self._flag(number) for number in range(len(self.rows["flags"])))

    @cached_property
    def spellings(self) -> Mapping[str, int]:
        """Return every option string in the parser's order, with the number of its flag."""
        return {
            spelling: number
            for number, row in enumerate(self.rows["flags"])
            for spelling in spellings(row["names"], row.get("negatives", ()))
        }

    def flag(self, name: str) -> Flag | None:
        """Return a flag by one of its full spellings or by its destination; None: this version hasn't got it.

        Deprecated flags share the destination with their successors; the successor is returned.
        """
        if (number := self.spellings.get(name)) is not None:
            return self._flag(number)
        found = [flag for flag in self.flags if flag.destination == name]
        return next((flag for flag in found if not flag.deprecated), found[0] if found else None)

    @cached_property
    def required(self) -> tuple[Flag, ...]:
        """Return the flags without which the engine doesn't start."""
        return tuple(
            self._flag(number) for number, row in enumerate(self.rows["flags"]) if row.get("required")
        )

    @cached_property
    def environment(self) -> Mapping[str, Variable]:
        """Return every variable that the engine reads by its literal name."""
        return {row["name"]: Variable(**row) for row in self.rows["environment"]}

    def variable(self, name: str) -> Variable | None:
        """Return what the engine knows of an environment variable; None: it reads no such thing.

        SGLang takes SGL_X for SGLANG_X, with a warning.
        """
        if found := self.environment.get(name):
            return found
        for old, new in self.rows.get("renamed_prefixes", {}).items():
            if name.startswith(old) and (found := self.environment.get(new + name.removeprefix(old))):
                return Variable(name, found.default, deprecated=True, instead=found.name)
        return None

    @cached_property
    def sets(self) -> tuple[SetByEngine, ...]:
        """Return what the engine puts into its own environment at the start."""
        return tuple(SetByEngine(**row) for row in self.rows["sets"])

    def set_by_engine(self, name: str) -> tuple[SetByEngine, ...]:
        """Return when the engine sets a variable itself."""
        return tuple(row for row in self.sets if row.name == name)

    @property
    def moe_configs(self) -> Mapping[str, Sequence[str]]:
        """Return the tuned fused-MoE kernels that the wheel ships: file names by folder."""
        found: Mapping[str, Sequence[str]] = self.rows["moe_configs"]
        return found

    @property
    def tool_call_parsers(self) -> tuple[str, ...]:
        """Return the names that --tool-call-parser may have."""
        return tuple(self.rows["tool_call_parsers"])

    @property
    def reasoning_parsers(self) -> tuple[str, ...]:
        """Return the names that --reasoning-parser may have."""
        return tuple(self.rows["reasoning_parsers"])

    @property
    def architectures(self) -> tuple[str, ...]:
        """Return the model classes of the GLM family, as a checkpoint's config.json names them."""
        return tuple(self.rows["architectures"])

    @property
    def torch(self) -> str | None:
        """Return the version of PyTorch that the wheel pins."""
        return str(self.rows["torch"]) if self.rows["torch"] else None

    def takes_model(self, command: str) -> bool:
        """Say whether a command ("vllm serve") takes the model without a flag."""
        return command in self.rows["positional"]

    def own_flags(self, command: str) -> tuple[str, ...]:
        """Return the flags that a command takes away before the engine's parser sees them."""
        return tuple(self.rows.get("own_flags", {}).get(command, ()))

    @property
    def optimization(self) -> str | None:
        """Return what vLLM makes of -O3 before it parses: this flag, and 3."""
        found: str | None = self.rows.get("optimization")
        return found

    def _flag(self, number: int) -> Flag:
        if (made := self._made.get(number)) is None:
            made = self._made[number] = _made(**self.rows["flags"][number])
        return made

    @cached_property
    def _made(self) -> dict[int, Flag]:
        return {}


@made_once()
def versions(engine: str) -> tuple[str, ...]:
    """Return the versions of an engine that there is a catalogue of, oldest first."""
    found = (path.stem.partition("-")[2] for path in FOLDER.glob(f"{engine}-*.json"))
    return tuple(sorted(found, key=age))


def age(version: str) -> tuple[object, ...]:
    """Return what orders versions: 0.5.5 < 0.5.5.post3 < 0.5.9rc1 < 0.5.9; 0.32.0+cpu is 0.32.0."""
    match = VERSION.match(version)
    if not match:
        raise CatalogueError(f"{version!r} isn't a version", next_step="write it as 0.33.0")
    release = tuple(int(part) for part in match["release"].split("."))
    padded = release + (0,) * (4 - len(release))
    before = ("dev", "a", "b", "rc").index(match["before"]) if match["before"] else 9
    return (*padded, before, int(match["number"] or 0), int(match["post"] or -1))


def nearest(engine: str, version: str) -> str:
    """Return the closest listed version that isn't newer, or the oldest; what to judge an unlisted version by."""
    listed = versions(engine)
    if not listed:
        raise CatalogueError(f"there is no catalogue of {engine!r}", next_step=f"one of {', '.join(ENGINES)}")
    older = [each for each in listed if age(each) <= age(version)]
    return older[-1] if older else listed[0]


def catalogue(engine: str, version: str) -> Catalogue:
    """Return what this version accepts. Raise CatalogueError, which names the nearest one, where it isn't listed."""
    if version not in versions(engine):
        raise CatalogueError(
            f"there is no catalogue of {engine} {version}",
            next_step=f"the nearest is {nearest(engine, version)}; there are {', '.join(versions(engine))}",
        )
    return _read(engine, version)


@made_once()
def _read(engine: str, version: str) -> Catalogue:
    return Catalogue(engine, version, json.loads((FOLDER / f"{engine}-{version}.json").read_bytes()))


def _made(names: list[str], dest: str | None = None, choices: list[str] | None = None, **row: Any) -> Flag:
    """Return a flag of a row, which leaves out what goes without saying."""
    long = next((name for name in names if name.startswith("--")), names[0])
    kind = row.pop("type", "bool" if row.get("nargs") == 0 else "str")
    return Flag(
        names=tuple(names),
        destination=dest or long.lstrip("-").replace("-", "_"),
        type=kind,
        choices=None if choices is None else tuple(choices),
        negatives=tuple(row.pop("negatives", ())),
        **row,
    )
