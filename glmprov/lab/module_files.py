"""Our own modules as files, to be put where only Python is: one of them with all that it imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable


def needed(name: str) -> dict[str, bytes]:
    """Return the files of a module, of the packages around it, and of all our modules that it imports, by path."""
    found: dict[str, bytes] = {}
    wanted = [name]
    while wanted:
        module = wanted.pop()
        path, file = _file(module)
        if path not in found:
            found[path] = file.read_bytes()
            wanted += [*_around(module), *_imported(found[path])]
    return found


def _around(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def _imported(source: bytes) -> Iterator[str]:
    """Yield our modules that a module imports, as they are imported here: by `from glmprov… import …`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("glmprov"):
            package = node.module or ""
            yield package
            yield from (f"{package}.{one.name}" for one in node.names if _is_module(f"{package}.{one.name}"))


def _is_module(name: str) -> bool:
    return _file(name)[1].is_file()


def _file(module: str) -> tuple[str, Traversable]:
    parts = module.split(".")
    place = files("glmprov").joinpath(*parts[1:])
    if place.is_dir():
        return f"{'/'.join(parts)}/__init__.py", place / "__init__.py"
    return f"{'/'.join(parts)}.py", files("glmprov").joinpath(*parts[1:-1], f"{parts[-1]}.py")
