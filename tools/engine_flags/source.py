"""The Python source inside a wheel: modules by name, and what a name means at the top of one."""

from __future__ import annotations

import ast
import zipfile
from functools import cache
from pathlib import Path


class Package:
    """A wheel's modules, parsed when they are asked for. Nothing of it is imported."""

    def __init__(self, wheel: Path) -> None:
        self.archive = zipfile.ZipFile(wheel)
        self.files = frozenset(self.archive.namelist())
        self._bindings: dict[str, dict[str, ast.AST]] = {}

    def path(self, module: str) -> str | None:
        """Return the file of a module; None: it isn't in this wheel."""
        base = module.replace(".", "/")
        return next((p for p in (f"{base}.py", f"{base}/__init__.py") if p in self.files), None)

    @cache  # noqa: B019  (one package a run)
    def text(self, path: str) -> str:
        """Return a file's text."""
        return self.archive.read(path).decode("utf-8-sig")

    @cache  # noqa: B019
    def tree(self, path: str) -> ast.Module:
        """Return a file's syntax tree."""
        return ast.parse(self.text(path))

    def python_files(self, *without: str) -> list[str]:
        """Return every Python file, without those that have one of these words in their path."""
        return sorted(p for p in self.files if p.endswith(".py") and not any(word in p for word in without))

    def module_with(self, text: str, *, under: str) -> str:
        """Return the one module under a folder whose source has this text; the place of code moves, its name stays."""
        paths = [p for p in self.python_files() if p.startswith(under) and text in self.text(p)]
        if len(paths) != 1:
            raise LookupError(f"{text!r} is in {paths or 'no module'} under {under}")
        return paths[0].removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def bindings(self, module: str) -> dict[str, ast.AST]:
        """Return what each name at the top of a module is bound to, as a run-time import would leave it."""
        if module not in self._bindings:
            self._bindings[module] = {}
            if path := self.path(module):
                _bind(self.tree(path).body, self._bindings[module])
        return self._bindings[module]

    def absolute(self, module: str, node: ast.ImportFrom) -> str:
        """Return the full name of the module that an import statement in `module` names."""
        if not node.level:
            return node.module or ""
        parts = module.split(".")
        is_package = (self.path(module) or "").endswith("__init__.py")
        base = parts[: len(parts) - node.level + (1 if is_package else 0)]
        return ".".join([*base, *([node.module] if node.module else [])])


def _bind(statements: list[ast.stmt], names: dict[str, ast.AST]) -> None:
    for statement in statements:
        match statement:
            case ast.If(test=test):
                _bind_if(test, statement, names)
            case ast.Try():
                _bind(statement.body, names)
            case _:
                names |= _bound(statement)


def _bound(statement: ast.stmt) -> dict[str, ast.AST]:
    """Return the names that one statement binds."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return {statement.name: statement}
        case ast.Assign(targets=targets, value=value):
            return {target.id: value for target in targets if isinstance(target, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            return {name: value}
        case ast.Import() | ast.ImportFrom():
            return {alias.asname or alias.name.split(".")[0]: statement for alias in statement.names}
        case _:
            return {}


def _bind_if(test: ast.expr, statement: ast.If, names: dict[str, ast.AST]) -> None:
    # At run time TYPE_CHECKING is false: the names that such a block imports don't exist, or mean something else.
    if ast.unparse(test).endswith("TYPE_CHECKING"):
        _bind(statement.body if isinstance(test, ast.UnaryOp) else statement.orelse, names)
        return
    other: dict[str, ast.AST] = {}
    _bind(statement.orelse, other)
    _bind(statement.body, names)
    for name, node in other.items():
        names.setdefault(name, node)
