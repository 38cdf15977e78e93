"""Follows a function of the engine statement by statement, as far as it only sets up its argument parser."""

from __future__ import annotations

import ast
from typing import Any

from .classes import UnresolvedError
from .expressions import Expressions
from .values import Class, Function, Method, Unknown

DEPTH = 12


class Returned(Exception):  # noqa: N818  (no error: it carries a value)
    """The function came to its return statement."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class Interpreter(Expressions):
    """Expressions, and the functions that they call."""

    def __init__(self, package: Any) -> None:
        super().__init__(package)
        self.depth = 0
        self.guesses: list[str] = []

    def run(self, function: Function, arguments: list[Any], named: dict[str, Any]) -> Any:
        """Return what a function of the engine returns. A branch whose condition is unknown is taken, and noted."""
        if self.depth >= DEPTH:
            raise UnresolvedError
        names = self._arguments(function, arguments, named)
        if isinstance(function.node, ast.Lambda):
            return self._value(function.node.body, function.module, names)
        self.depth += 1
        try:
            self._block(function.node.body, function.module, names)
        except Returned as returned:
            return returned.value
        finally:
            self.depth -= 1
        return None

    def _arguments(self, function: Function, arguments: list[Any], named: dict[str, Any]) -> dict[str, Any]:
        parameters = function.node.args
        order = [p.arg for p in (*parameters.posonlyargs, *parameters.args)]
        given = [function.of, *arguments] if function.of else arguments
        names: dict[str, Any] = {"__class__": function.of}
        defaults = zip(reversed(order), reversed(parameters.defaults), strict=False)
        names |= {name: self.value(node, function.module) for name, node in defaults}
        for parameter, default in zip(parameters.kwonlyargs, parameters.kw_defaults, strict=True):
            if default is not None:
                names[parameter.arg] = self.value(default, function.module)
        return names | dict(zip(order, given, strict=False)) | named

    def _block(self, statements: list[ast.stmt], module: str, names: dict[str, Any]) -> None:
        for statement in statements:
            step = getattr(self, f"_do_{type(statement).__name__.lower()}", None)
            if step:
                step(statement, module, names)

    def _do_expr(self, statement: ast.Expr, module: str, names: dict[str, Any]) -> None:
        self.value(statement.value, module, names)

    def _do_return(self, statement: ast.Return, module: str, names: dict[str, Any]) -> None:
        raise Returned(self.value(statement.value, module, names) if statement.value else None)

    def _do_assign(self, statement: ast.Assign, module: str, names: dict[str, Any]) -> None:
        value = self.value(statement.value, module, names)
        for target in statement.targets:
            self._store(target, value, module, names)

    def _do_annassign(self, statement: ast.AnnAssign, module: str, names: dict[str, Any]) -> None:
        if statement.value:
            self._store(statement.target, self.value(statement.value, module, names), module, names)

    def _do_augassign(self, statement: ast.AugAssign, module: str, names: dict[str, Any]) -> None:
        both = ast.BinOp(_loaded(statement.target), statement.op, statement.value)
        self._store(
            statement.target, self.value(ast.fix_missing_locations(both), module, names), module, names
        )

    def _store(self, target: ast.expr, value: Any, module: str, names: dict[str, Any]) -> None:
        match target:
            case ast.Name():
                names[target.id] = value
            case ast.Subscript():
                owner = self.value(_loaded(target.value), module, names)
                if isinstance(owner, (dict, list)):
                    owner[self.value(target.slice, module, names)] = value
            case ast.Tuple(elts=elements) if isinstance(value, (tuple, list)) and len(elements) == len(value):
                for element, part in zip(elements, value, strict=True):
                    self._store(element, part, module, names)
            case _:
                pass

    def _do_delete(self, statement: ast.Delete, module: str, names: dict[str, Any]) -> None:
        for target in statement.targets:
            if isinstance(target, ast.Subscript):
                owner = self.value(_loaded(target.value), module, names)
                if isinstance(owner, dict):
                    owner.pop(self.value(target.slice, module, names), None)

    def _do_if(self, statement: ast.If, module: str, names: dict[str, Any]) -> None:
        test = self.value(statement.test, module, names)
        if isinstance(test, Unknown):
            self.guesses.append(test.text)
        self._block(statement.body if test else statement.orelse, module, names)

    def _do_for(self, statement: ast.For, module: str, names: dict[str, Any]) -> None:
        items = self.value(statement.iter, module, names)
        if isinstance(items, (list, tuple)):
            for item in items:
                self._store(statement.target, item, module, names)
                self._block(statement.body, module, names)

    def _do_with(self, statement: ast.With, module: str, names: dict[str, Any]) -> None:
        self._block(statement.body, module, names)

    def _do_try(self, statement: ast.Try, module: str, names: dict[str, Any]) -> None:
        self._block(statement.body, module, names)

    def _do_importfrom(self, statement: ast.ImportFrom, module: str, names: dict[str, Any]) -> None:
        for alias in statement.names:
            names[alias.asname or alias.name] = self._imported(module, statement, alias.asname or alias.name)

    def _do_functiondef(self, statement: ast.FunctionDef, module: str, names: dict[str, Any]) -> None:
        names[statement.name] = Function(module, statement)

    def _call(self, node: ast.Call, module: str, names: dict[str, Any]) -> Any:
        if ast.unparse(node.func).startswith("super().") and isinstance(names.get("__class__"), Class):
            return self._call_base(node, module, names)
        return super()._call(node, module, names)

    def _call_base(self, node: ast.Call, module: str, names: dict[str, Any]) -> Any:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        base = self.lineage(names["__class__"])[1]
        function = self.attribute(base, name)
        if isinstance(function, (Function, Method)):
            return self.call(function, self._all(node.args, module, names), {})
        raise UnresolvedError


def _loaded(target: ast.expr) -> Any:
    """Return a target as the expression that reads it."""
    return ast.parse(ast.unparse(target), mode="eval").body
