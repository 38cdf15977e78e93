"""The parts of nvidia-ml-py that the payload calls, cut from the installed package's source.

The whole module costs a host about 100 ms of CPU; the cut a few. Cutting costs 200 ms at home, so the cut is kept
in the user's cache by what went into it.
"""

from __future__ import annotations

import ast
import importlib.util
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile

from platformdirs import user_cache_path

from glmprov.errors import ProbeError

LARGEST_CUT_BYTES = 60_000

# Stand-ins for imports of which NVML's wrappers use one name each: functools and threading cost more than
# everything that we keep.
PRELUDE = """\
from ctypes import *
import sys
import _thread
class threading:
    Lock = _thread.allocate_lock
def wraps(function):
    return lambda wrapper: wrapper
"""


@cache
def nvml_source() -> str:
    """Return payload/nvml.py with what it calls of the installed pynvml before it.

    Raise ProbeError if nvidia-ml-py isn't installed or doesn't have what we call.
    """
    spec = importlib.util.find_spec("pynvml")
    if spec is None or spec.origin is None:
        raise ProbeError("nvidia-ml-py is not installed", next_step="pip install nvidia-ml-py")
    sources = [Path(spec.origin), Path(__file__).parent / "payload" / "nvml.py", Path(__file__)]
    module, payload, program = (path.read_text(encoding="utf-8") for path in sources)
    digest = sha256("\0".join((module, payload, program)).encode()).hexdigest()
    kept = user_cache_path("glmprov") / f"nvml-cut-{digest[:32]}.py"
    with suppress(OSError, UnicodeDecodeError):
        return kept.read_text(encoding="utf-8")
    text = cut(module, called_names(payload)) + payload
    with suppress(OSError):
        _keep(kept, text)
    return text


def _keep(path: Path, text: str) -> None:
    """Write the cut so that no other run sees half of it, and drop those of other versions."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    stale = set(path.parent.glob("nvml-cut-*.py"))
    with NamedTemporaryFile(
        "w", dir=path.parent, prefix=".nvml-cut-", encoding="utf-8", delete=False
    ) as file:
        file.write(text)
    Path(file.name).replace(path)
    for old in stale - {path}:
        old.unlink(missing_ok=True)


def called_names(payload: str) -> frozenset[str]:
    """Given the payload's source, return the names that it takes from `nvml`."""
    return frozenset(
        node.attr
        for node in ast.walk(ast.parse(payload))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "nvml"
    )


def cut(module: str, roots: frozenset[str]) -> str:
    """Given pynvml's source, return the smallest part of it in which the roots work."""
    statements = ast.parse(module).body
    definitions: dict[str, list[int]] = {}
    for position, statement in enumerate(statements):
        for name in _defined(statement):
            definitions.setdefault(name, []).append(position)
    missing = sorted(roots - definitions.keys())
    if missing:
        raise ProbeError(f"the installed nvidia-ml-py has no {', '.join(missing)}", place="pynvml")
    kept: set[int] = set()
    waiting = set(roots)
    while waiting:
        for position in definitions.get(waiting.pop(), ()):
            if position not in kept:
                kept.add(position)
                waiting |= _used(statements[position]) & definitions.keys()
    text = PRELUDE + "\n".join(ast.unparse(_bare(statements[position])) for position in sorted(kept)) + "\n"
    if len(text) > LARGEST_CUT_BYTES:
        raise ProbeError(f"the cut of nvidia-ml-py has {len(text)} bytes, {LARGEST_CUT_BYTES} are allowed")
    return text


def _defined(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Assign):
        return {
            node.id for target in statement.targets for node in ast.walk(target) if isinstance(node, ast.Name)
        }
    return set()


def _used(statement: ast.stmt) -> set[str]:
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}


def _bare(statement: ast.stmt) -> ast.stmt:
    """Return the statement without its documentation: the host has no use for it."""
    for node in ast.walk(statement):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return statement
