"""The code holds to the arrows that docs/architecture.md draws."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "glmprov"

LEAVES = {
    "errors", "state", "deployed", "hardware", "observation", "receipt", "history", "settings", "inventory", "secret",
    "made_once", "sizes", "__init__",
}  # fmt: skip
PURE = {
    "plan",
    "drift",
    "undo",
    "topology",
    "nccl",
    "power",
    "catalog",
    "recipe",
    "engines",
    "fit",
    "lint",
    "instance",
}
MAY_IMPORT = {
    **dict.fromkeys(LEAVES, LEAVES),
    **dict.fromkeys(PURE, LEAVES | PURE),
    "catalog": {"errors", "catalog"},
    "recipe": LEAVES | {"catalog", "recipe"},
    "engines": LEAVES | {"catalog", "recipe", "engines"},
    "fit": LEAVES | {"catalog", "recipe", "engines", "topology", "fit"},
    "lint": LEAVES | {"catalog", "recipe", "engines", "topology", "fit", "lint"},
    "instance": LEAVES | {"catalog", "recipe", "engines", "topology", "instance"},
    "remote": LEAVES | {"remote"},
    "probe": LEAVES | {"remote", "probe"},
    "apply": LEAVES | {"remote", "apply"},
    "journal": LEAVES | {"remote", "journal"},
    "operate": LEAVES | {"remote", "probe", "recipe", "engines", "catalog", "operate"},
    "results": LEAVES | PURE | {"results"},
    "actions": LEAVES | PURE | {"remote", "probe", "apply", "journal", "operate", "results", "actions"},
    "report": LEAVES | PURE | {"results", "report"},
    "terminal": LEAVES | {"results", "report", "apply"},
    "lab": {"errors", "lab", "engines"},  # the simulator takes the flags that the catalogue knows
}
ONLY_IN = {
    "click": {"cli", "lab"},
    "paramiko": {"remote"},
    "ssh2": {"remote"},
    "ansible_runner": {"apply", "inventory"},
    "rich": {"report", "terminal", "lab"},
}


def modules() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py") if "sim" not in path.parts)


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= (
                {f"{node.module}.{alias.name}" for alias in node.names}
                if node.module == "glmprov"
                else {node.module}
            )
    return names


def room(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_what_its_row_allows(path: Path) -> None:
    here = room(path)
    ours = {name.split(".")[1] for name in imported(path) if name.startswith("glmprov.")} - {"__version__"}
    if here not in ("cli", "__main__"):
        assert ours <= MAY_IMPORT[here], f"{here} may not import {ours - MAY_IMPORT[here]}"
    for package, rooms in ONLY_IN.items():
        if any(name == package or name.startswith(package + ".") for name in imported(path)):
            assert here in rooms, f"{package} belongs in {rooms}, not in {here}"


def test_nothing_but_the_command_line_imports_the_lab() -> None:
    users = {
        room(path) for path in modules() if any(name.startswith("glmprov.lab") for name in imported(path))
    }
    assert users <= {"lab", "cli"}
