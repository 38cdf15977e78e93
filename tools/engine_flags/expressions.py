"""Comes to the value of an expression of the engine's source, as far as the source alone says it.

Only what has no effect is carried out: literals, names, attributes, plain operators, and a short list of built-ins and
methods. Everything else is Unknown, with its text.
"""

from __future__ import annotations

import ast
import builtins
import operator
from collections.abc import Callable
from typing import Any

from .classes import Classes, UnresolvedError
from .source import Package
from .values import Class, Default, External, Function, Hint, Method, Unknown

OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Pow: operator.pow, ast.Mod: operator.mod, ast.LShift: operator.lshift,
}  # fmt: skip
COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b, ast.Lt: operator.lt, ast.Gt: operator.gt,
}  # fmt: skip
BUILTINS: dict[str, Callable[..., Any]] = {
    name: getattr(builtins, name)
    for name in ("list", "tuple", "set", "frozenset", "dict", "sorted", "len", "str", "int", "float", "bool", "max")
}  # fmt: skip
FIELDS = ("field", "Field")
PLAIN = (str, int, float, bool, list, dict, set, frozenset, tuple, type(None))


class Expressions(Classes):
    """Evaluates expressions in the modules of one package; statements come in `statements.py`."""

    def __init__(self, package: Package) -> None:
        super().__init__(package)
        self.handlers: dict[str, Callable[..., Any]] = {}

    def value(self, node: ast.AST, module: str, names: dict[str, Any] | None = None) -> Any:
        """Return what the expression comes to in a module, with these local names; Unknown where it can't be said."""
        try:
            return self._value(node, module, names if names is not None else {})
        except (UnresolvedError, TypeError, ValueError, KeyError, IndexError, AttributeError, LookupError):
            return Unknown(ast.unparse(node))

    def _value(self, node: ast.AST, module: str, names: dict[str, Any]) -> Any:
        evaluate = getattr(self, f"_{type(node).__name__.lower()}", None)
        if evaluate is None:
            raise UnresolvedError
        return evaluate(node, module, names)

    def _all(self, nodes: list[ast.expr], module: str, names: dict[str, Any]) -> list[Any]:
        values: list[Any] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                values += self._plain(self._value(node.value, module, names))
            else:
                values.append(self.value(node, module, names))
        return values

    def _plain(self, value: Any) -> Any:
        if isinstance(value, Class) and self.is_enum(value):
            return self.members(value)
        if not isinstance(value, PLAIN):
            raise UnresolvedError
        return value

    def _constant(self, node: ast.Constant, module: str, names: dict[str, Any]) -> Any:
        return node.value

    def _name(self, node: ast.Name, module: str, names: dict[str, Any]) -> Any:
        return names[node.id] if node.id in names else self.named(module, node.id)

    def _list(self, node: ast.List, module: str, names: dict[str, Any]) -> list[Any]:
        return self._all(node.elts, module, names)

    def _tuple(self, node: ast.Tuple, module: str, names: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(self._all(node.elts, module, names))

    def _set(self, node: ast.Set, module: str, names: dict[str, Any]) -> Any:
        return set(self._all(node.elts, module, names))

    def _dict(self, node: ast.Dict, module: str, names: dict[str, Any]) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                result |= self._plain(self._value(value, module, names))
            else:
                result[self._value(key, module, names)] = self.value(value, module, names)
        return result

    def _lambda(self, node: ast.Lambda, module: str, names: dict[str, Any]) -> Function:
        return Function(module, node)

    def _joinedstr(self, node: ast.JoinedStr, module: str, names: dict[str, Any]) -> str:
        return "".join(
            str(self._plain(self._value(getattr(part, "value", part), module, names)))
            if isinstance(part, ast.FormattedValue)
            else str(getattr(part, "value", ""))
            for part in node.values
        )

    def _unaryop(self, node: ast.UnaryOp, module: str, names: dict[str, Any]) -> Any:
        value = self._plain(self._value(node.operand, module, names))
        if isinstance(node.op, ast.Not):
            return not value
        return -value if isinstance(node.op, ast.USub) else +value

    def _binop(self, node: ast.BinOp, module: str, names: dict[str, Any]) -> Any:
        left, right = (self._value(side, module, names) for side in (node.left, node.right))
        if isinstance(node.op, ast.BitOr):
            if isinstance(left, dict) and isinstance(right, dict):
                return left | right
            return Hint("Union", (left, right))
        return OPERATORS[type(node.op)](self._plain(left), self._plain(right))

    def _boolop(self, node: ast.BoolOp, module: str, names: dict[str, Any]) -> Any:
        ends_at = isinstance(node.op, ast.Or)
        result: Any = None
        for part in node.values:
            result = self._plain(self._value(part, module, names))
            if bool(result) is ends_at:
                break
        return result

    def _compare(self, node: ast.Compare, module: str, names: dict[str, Any]) -> bool:
        left = self._value(node.left, module, names)
        right = self._value(node.comparators[0], module, names)
        if (
            len(node.ops) != 1
            or isinstance(left, (Unknown, External))
            or isinstance(right, (Unknown, External))
        ):
            raise UnresolvedError
        return COMPARISONS[type(node.ops[0])](left, right)

    def _ifexp(self, node: ast.IfExp, module: str, names: dict[str, Any]) -> Any:
        test = self._plain(self._value(node.test, module, names))
        return self._value(node.body if test else node.orelse, module, names)

    def _listcomp(self, node: ast.ListComp, module: str, names: dict[str, Any]) -> list[Any]:
        loop = node.generators[0]
        if len(node.generators) != 1 or not isinstance(loop.target, ast.Name):
            raise UnresolvedError
        items = self._plain(self._value(loop.iter, module, names))
        found = []
        for item in items:
            inner = {**names, loop.target.id: item}
            if all(self._plain(self._value(test, module, inner)) for test in loop.ifs):
                found.append(self._value(node.elt, module, inner))
        return found

    _generatorexp = _listcomp

    def _setcomp(self, node: Any, module: str, names: dict[str, Any]) -> set[Any]:
        return set(self._listcomp(node, module, names))

    def _subscript(self, node: ast.Subscript, module: str, names: dict[str, Any]) -> Any:
        owner = self._value(node.value, module, names)
        index = self.value(node.slice, module, names)
        if isinstance(owner, (dict, list, tuple, str)):
            return owner[index]
        if isinstance(owner, (External, Class)):
            name = owner.last if isinstance(owner, External) else owner.node.name
            return Hint(name, index if isinstance(index, tuple) else (index,))
        raise UnresolvedError

    def _attribute(self, node: ast.Attribute, module: str, names: dict[str, Any]) -> Any:
        return self.attribute(self._value(node.value, module, names), node.attr)

    def _call(self, node: ast.Call, module: str, names: dict[str, Any]) -> Any:
        function = self._value(node.func, module, names)
        arguments = self._all(node.args, module, names)
        named: dict[str, Any] = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                named |= self._plain(self._value(keyword.value, module, names))
            else:
                named[keyword.arg] = self.value(keyword.value, module, names)
        return self.call(function, arguments, named)

    def call(self, function: Any, arguments: list[Any], named: dict[str, Any]) -> Any:
        """Return what a call comes to."""
        match function:
            case External() if function.last in FIELDS:
                return Default(tuple(arguments), named)
            case External() if function.last == "get_args" and isinstance(arguments[0], Hint):
                return arguments[0].arguments
            case External() if function.name in BUILTINS:
                return BUILTINS[function.name](*(self._plain(argument) for argument in arguments))
            case Method():
                return self._call_method(function, arguments, named)
            case Function() if function.name in self.handlers:
                return self.handlers[function.name](*arguments, **named)
            case Class() if function.node.name in self.handlers:
                return self.handlers[function.node.name](*arguments, **named)
            case Function():
                return self.run(function, arguments, named)
            case _:
                raise UnresolvedError

    def _call_method(self, method: Method, arguments: list[Any], named: dict[str, Any]) -> Any:
        if isinstance(method.owner, PLAIN) and any(isinstance(a, Unknown) for a in arguments):
            raise UnresolvedError
        result = getattr(method.owner, method.name)(*arguments, **named)
        return (
            list(result)
            if isinstance(result, (type({}.keys()), type({}.values()), type({}.items())))
            else result
        )

    def run(self, function: Function, arguments: list[Any], named: dict[str, Any]) -> Any:
        """Return what a function of the engine returns."""
        raise UnresolvedError
