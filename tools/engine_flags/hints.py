"""What argparse gets for a field of vLLM's configuration: the rules of its `_compute_kwargs`, by type hint.

Read in vllm 0.11.2 to 0.33.0, whose rules differ only in which integers may be written as 32k; those names come from
the function itself.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from .classes import UnresolvedError
from .expressions import Expressions
from .values import Class, Default, External, Hint, Optional, Unknown

TRANSPARENT = ("Annotated", "SkipValidation", "InstanceOf", "Final", "ClassVar")
NAMES = {
    "List": "list",
    "Dict": "dict",
    "Tuple": "tuple",
    "Set": "set",
    "Sequence": "Sequence",
    "Type": "type",
}
CONTAINERS = ("tuple", "list", "set")


def kinds(hint: Any) -> list[Any]:
    """Return the members of a type hint: names, Literal hints, container hints, classes."""
    match hint:
        case None:
            return ["None"]
        case Hint(origin="Union"):
            return [kind for argument in hint.arguments for kind in kinds(argument)]
        case Hint(origin="Optional"):
            return [*kinds(hint.arguments[0]), "None"]
        case Hint() if hint.origin in TRANSPARENT:
            return kinds(hint.arguments[0])
        case Hint():
            return [Hint(NAMES.get(hint.origin, hint.origin), hint.arguments)]
        case External():
            return [NAMES.get(hint.last, hint.last)]
        case Class() if any(ast.unparse(base).partition("[")[0] == "dict" for base in hint.node.bases):
            return ["dict"]
        case _:
            return [hint]


def _of(found: list[Any], name: str) -> Any:
    return next((k for k in found if k == name or (isinstance(k, Hint) and k.origin == name)), None)


class Fields:
    """The fields of the engine's configuration classes as add_argument() gets them."""

    def __init__(self, expressions: Expressions, module: str) -> None:
        self.expressions = expressions
        self.human, self.human_or_auto = self._human_integers(module)
        self.none_as_text = "append('None')" in ast.unparse(
            expressions.package.bindings(module)["_compute_kwargs"]
        )

    def _human_integers(self, module: str) -> tuple[set[str], set[str]]:
        """Return the fields that take 32k, and those that take -1 or auto besides."""
        function = self.expressions.package.bindings(module)["_compute_kwargs"]
        human: set[str] = set()
        either: set[str] = set()
        sets: dict[str, set[str]] = {}
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Set):
                sets[ast.unparse(node.targets[0])] = set(ast.literal_eval(node.value))
            if isinstance(node, ast.If) and ast.unparse(node.test).startswith("name "):
                body = ast.unparse(node.body[0])
                right = node.test.comparators[0] if isinstance(node.test, ast.Compare) else node.test
                named = sets.get(right.id, set()) if isinstance(right, ast.Name) else ast.literal_eval(right)
                of = either if body.endswith("human_readable_int_or_auto") else human
                of |= {named} if isinstance(named, str) else set(named)
        if "max_model_len" not in human | either:
            raise SystemExit("vllm: which integers may be written as 32k could not be read")
        return human, either

    def of(self, cls: Class) -> dict[str, dict[str, Any]]:
        """Return, by field, what add_argument() gets."""
        found: dict[str, dict[str, Any]] = {}
        for each in reversed(self.expressions.lineage(cls)):
            body = each.node.body
            for place, statement in enumerate(body):
                if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                    if ast.unparse(statement.annotation).startswith(("ClassVar", "InitVar")):
                        continue
                    after = body[place + 1] if place + 1 < len(body) else None
                    found[statement.target.id] = self._arguments(each, statement, after)
        return found

    def _arguments(self, cls: Class, field: ast.AnnAssign, after: ast.stmt | None) -> dict[str, Any]:
        name = ast.unparse(field.target)
        hint = self.expressions.value(field.annotation, cls.module)
        named: dict[str, Any] = {"default": default(self.expressions, cls, field), "help": docstring(after)}
        return named | self._by_kind(name, kinds(hint), cls)

    def _by_kind(self, name: str, found: list[Any], cls: Class) -> dict[str, Any]:
        result = self._parsed(name, found)
        literal = result.get("type")
        if isinstance(literal, Hint) and literal.origin == "Literal":
            result |= _literal([literal])
        if "None" in found and not _of(found, "bool"):
            result["type"] = Optional(result["type"])
            # Up to 0.23 the text "None" became a choice, which no value can be: "None" is converted to None.
            if result.get("choices") and self.none_as_text:
                result["choices"] = [*result["choices"], "None"]
        return result

    def _parsed(self, name: str, found: list[Any]) -> dict[str, Any]:
        if any(isinstance(k, Class) and self._is_data(k) for k in found):
            return {"type": "json-config"}
        if set(map(str, found)) == {"bool", "str", "None"}:
            return {"type": "str", "nargs": "?"}
        if _of(found, "bool"):
            return {"action": External("argparse.BooleanOptionalAction")}
        if _of(found, "Literal"):
            return _literal(found)
        for container in CONTAINERS:
            if (kind := _of(found, container)) is not None:
                return _collection(kind, container)
        if _of(found, "int"):
            human = "human-int" if name in self.human else "int"
            return {"type": "human-int-or-auto" if name in self.human_or_auto else human}
        if _of(found, "float"):
            return {"type": "float"}
        if _of(found, "dict"):
            others = [
                k
                for k in found
                if k not in ("None", "dict") and not (isinstance(k, Hint) and k.origin == "dict")
            ]
            return {"type": "json-or-str" if others else "json-value"}
        return {"type": "str"} | self._enumeration(found)

    def _enumeration(self, found: list[Any]) -> dict[str, Any]:
        """Return the members of an enumeration, which vLLM checks only after argparse."""
        for kind in found:
            if isinstance(kind, Class) and self.expressions.is_enum(kind):
                return {"metavar": [member.name for member in self.expressions.members(kind)]}
        return {}

    def _is_data(self, cls: Class) -> bool:
        decorators = {ast.unparse(d).partition("(")[0].rpartition(".")[2] for d in cls.node.decorator_list}
        return bool(decorators & {"config", "dataclass"}) and not self.expressions.is_enum(cls)


def _literal(found: list[Any]) -> dict[str, Any]:
    hint = _of(found, "Literal")
    options = _flat(hint)
    kind = type(options[0]).__name__
    word = "metavar" if _of(found, "str") else "choices"
    return {"type": kind, word: sorted(options)}


def _flat(hint: Hint) -> list[Any]:
    """Return the options of a Literal, also of one made of others."""
    found: list[Any] = []
    for argument in hint.arguments:
        if isinstance(argument, Hint):
            found += [o for inner in kinds(argument) if isinstance(inner, Hint) for o in _flat(inner)]
        elif isinstance(argument, Unknown):
            raise UnresolvedError
        else:
            found.append(argument)
    return found


def _collection(kind: Any, container: str) -> dict[str, Any]:
    arguments = kind.arguments if isinstance(kind, Hint) else ()
    inside = kinds(arguments[0]) if arguments else ["str"]
    element: Any = inside[0] if len(inside) == 1 else "str"
    ellipsis = Ellipsis in arguments
    nargs: Any = "+" if container != "tuple" or ellipsis else len(arguments)
    if isinstance(element, Class):
        element = "str"
    return {"type": element, "nargs": nargs}


def docstring(statement: ast.stmt | None) -> str:
    """Return the string that stands under a field as its documentation."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return str(statement.value.value)
    return ""


def default(expressions: Expressions, cls: Class, field: ast.AnnAssign) -> Any:
    """Return a field's default."""
    if field.value is None:
        return None
    value = expressions.value(field.value, cls.module, expressions._own_names(cls))
    if not isinstance(value, Default):
        return value
    if "default_factory" in value.named:
        return _made(value.named["default_factory"], expressions)
    return value.named.get("default", value.arguments[0] if value.arguments else None)


def _made(factory: Any, expressions: Expressions) -> Any:
    try:
        return expressions.call(factory, [], {})
    except (UnresolvedError, TypeError, KeyError):
        match factory:
            case External() | Class():
                name = factory.last if isinstance(factory, External) else factory.node.name
                return {"list": [], "dict": {}, "set": set()}.get(name, Unknown(f"{name}()"))
            case _:
                return Unknown(re.sub(r"^lambda: ", "", getattr(factory, "text", "")) or "computed")
