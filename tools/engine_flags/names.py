"""What a name at the top of one of the engine's modules stands for."""

from __future__ import annotations

import ast
import builtins
from typing import Any

from .source import Package
from .values import Class, External, Function, Module, Unknown


class Names:
    """Names, followed through imports as far as they stay in the package. `Expressions` gives the values."""

    def __init__(self, package: Package) -> None:
        self.package = package
        self._known: dict[tuple[str, str], Any] = {}
        self._open: set[tuple[str, str]] = set()

    def value(self, node: ast.AST, module: str, names: dict[str, Any] | None = None) -> Any:
        """Return what an expression comes to."""
        raise NotImplementedError

    def named(self, module: str, name: str) -> Any:
        """Return what a name at the top of a module stands for."""
        key = (module, name)
        if key in self._known:
            return self._known[key]
        if key in self._open:
            return Unknown(name)
        self._open.add(key)
        try:
            self._known[key] = self._named(module, name)
        finally:
            self._open.discard(key)
        return self._known[key]

    def _named(self, module: str, name: str) -> Any:
        node = self.package.bindings(module).get(name)
        match node:
            case None if self.package.path(f"{module}.{name}"):
                return Module(f"{module}.{name}")
            case None if hasattr(builtins, name):
                return External(name)
            case None:
                return self._lazy(module, name)
            case ast.ClassDef():
                return Class(module, node)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                return Function(module, node)
            case ast.Import():
                return self._imported_module(node, name)
            case ast.ImportFrom():
                return self._imported(module, node, name)
            case _:
                return self.value(node, module)

    def _lazy(self, module: str, name: str) -> Any:
        """Find a name that a package offers through __getattr__ and a table of modules."""
        for node in self.package.bindings(module).values():
            if isinstance(node, ast.Dict):
                table = self.value(node, module)
                if isinstance(table, dict) and isinstance(place := table.get(name), str):
                    return self.named(place.partition(":")[0].replace(".", ".", 1), name)
        return Unknown(name)

    def _imported_module(self, node: ast.Import, name: str) -> Any:
        for alias in node.names:
            if alias.asname == name:
                return Module(alias.name) if self.package.path(alias.name) else External(alias.name)
        return Module(name) if self.package.path(name) else External(name)

    def _imported(self, module: str, node: ast.ImportFrom, name: str) -> Any:
        origin = self.package.absolute(module, node)
        original = next(alias.name for alias in node.names if (alias.asname or alias.name) == name)
        if not self.package.path(origin):
            return External(f"{origin}.{original}")
        return self.named(origin, original)
