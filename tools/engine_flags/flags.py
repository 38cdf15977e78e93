"""An argument parser that only writes down what is added to it."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Any

from .expressions import Expressions
from .values import Class, External, Function, Member, Optional, Unknown

BOOLEAN_PAIR = "BooleanOptionalAction"
SUPPRESS = "argparse.SUPPRESS"
CONVERTERS = {
    "human_readable_int": "human-int",
    "human_readable_int_or_auto": "human-int-or-auto",
    "union_dict_and_str": "json-or-str",
    "json_list_type": "json-list",
}
DEPRECATED = re.compile(
    r"^\W*deprecated|[\[(]deprecated|deprecated:|(?:option|flag|argument|--[a-z-]+) is deprecated",
    re.IGNORECASE,
)
REMOVAL = re.compile(r"removed in v?(\d+(?:\.\d+)+)")
REPLACEMENT = re.compile(r"[Uu]se [`'\"]?(--[a-z][a-z0-9-]+)")


class Recorder:
    """Stands for the engine's parser and for its groups."""

    def __init__(self, expressions: Expressions, *, pairs: bool = False) -> None:
        self.expressions = expressions
        self.flags: list[dict[str, Any]] = []
        self.positional: list[dict[str, Any]] = []
        self.pairs = pairs  # the parser offers --disable-x beside --enable-x
        self.group = ""
        self.extensible: set[int] = set()  # the identities of lists of choices that plug-ins may add to

    def add_argument_group(self, *arguments: Any, **named: Any) -> Recorder:
        """Begin a group; flags added to it are this parser's."""
        title = named.get("title", arguments[0] if arguments else "")
        self.group = title if isinstance(title, str) else ""
        return self

    add_mutually_exclusive_group = add_argument_group

    def add_argument(self, *names: Any, **named: Any) -> None:
        """Write down one flag."""
        if not names or any(isinstance(name, Unknown) for name in names):
            raise SystemExit(f"an option string could not be read: {names}")
        record = self._record([str(name) for name in names], named)
        (self.flags if record["names"][0].startswith("-") else self.positional).append(record)

    def _record(self, names: list[str], named: dict[str, Any]) -> dict[str, Any]:
        action = self._action(named.get("action"))
        kind, nargs = self._kind(named, action)
        record: dict[str, Any] = {"names": names}
        if action.pair:
            record["negatives"] = self._negatives(names)
        record["dest"] = named.get("dest") or _destination(names)
        record["type"] = kind
        if nargs is not None:
            record["nargs"] = nargs
        record |= self._choices(named)
        if action.appends:
            record["appends"] = True
        if isinstance(named.get("type"), Optional):
            record["optional"] = True
        if action.name == "store_true" or action.name.endswith("StoreTrueAction"):
            named.setdefault("default", False)
        if "default" in named and text(named["default"]) != SUPPRESS:
            record["default"] = text(named["default"])
        if named.get("required") is True:
            record["required"] = True
        return record | _deprecation({**named, "names": names}, action)

    def _choices(self, named: dict[str, Any]) -> dict[str, Any]:
        """Return the values that are understood; a list as metavar is only shown, not checked."""
        if (choices := _texts(named.get("choices"))) is not None:
            return {"choices": choices} | ({"open": True} if id(named["choices"]) in self.extensible else {})
        shown = named.get("metavar")
        known = None if isinstance(shown, str) else _texts(shown)
        return {} if known is None else {"choices": known, "checked": False}

    def _action(self, action: Any) -> Action:
        if isinstance(action, str):
            return Action(
                action,
                flag=action.startswith("store_") or action in ("count", "help"),
                appends=action in ("append", "extend"),
            )
        if isinstance(action, External):
            return Action(action.last, flag=action.last == BOOLEAN_PAIR, pair=action.last == BOOLEAN_PAIR)
        if isinstance(action, Class):
            pair = BOOLEAN_PAIR in self.expressions.bases(action)
            return Action(action.node.name, flag=pair or _takes_nothing(action), pair=pair)
        return Action("store")

    def _kind(self, named: dict[str, Any], action: Action) -> tuple[str, Any]:
        nargs = named.get("nargs")
        if action.flag and "nargs" not in named:
            return "bool", 0
        return type_name(named.get("type")), nargs

    def _negatives(self, names: list[str]) -> list[str]:
        found = [f"--no-{name[2:]}" for name in names if name.startswith("--")]
        if self.pairs:
            other = {"--enable-": "--disable-", "--disable-": "--enable-"}
            found += [to + n.removeprefix(of) for n in names for of, to in other.items() if n.startswith(of)]
        return found


class Action:
    """What argparse does with a flag. flag: it takes no value; pair: it has a negative; appends: each use adds one."""

    def __init__(self, name: str, *, flag: bool = False, pair: bool = False, appends: bool = False) -> None:
        self.name, self.flag, self.pair, self.appends = name, flag, pair, appends


def _takes_nothing(action: Class) -> bool:
    """Say whether an action class has nargs=0 by itself."""
    for statement in action.node.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            source = ast.unparse(statement)
            return "nargs=0" in source
    return False


def _destination(names: Sequence[str]) -> str:
    long = next((name for name in names if name.startswith("--")), names[0])
    return long.lstrip("-").replace("-", "_")


def type_name(kind: Any) -> str:
    """Return how a value is understood: str, int, float, json, human-int, or the converter's own name."""
    match kind:
        case None:
            return "str"
        case str():
            return kind
        case Optional():
            return type_name(kind.of)
        case External(name="json.loads"):
            return "json"
        case External():
            return kind.last
        case Function() if ast.unparse(kind.node).endswith("s.lower().replace('-', '_')"):
            return "snake"
        case Function():
            return CONVERTERS.get(kind.name, "text")
        case _:
            return "text"


def text(value: Any) -> str:
    """Return a default as text; what only a running engine knows, as its source."""
    match value:
        case External():
            return value.name
        case Member():
            return str(value.value) if isinstance(value.value, int) else f"{value.owner}.{value.name}"
        case Class():
            return value.node.name
        case Unknown():
            return value.text
        case Function():
            return ast.unparse(value.node.body) if isinstance(value.node, ast.Lambda) else value.name
        case str():
            return value
        case list() | tuple():
            return (
                "[" + ", ".join(repr(v) if isinstance(v, (str, int, float)) else text(v) for v in value) + "]"
            )
        case set() | frozenset():
            return text(sorted(value, key=str))
        case _:
            return str(value)


def _texts(values: Any) -> list[str] | None:
    if isinstance(values, Class) or values is None or isinstance(values, Unknown):
        return None
    listed = sorted(values, key=str) if isinstance(values, (set, frozenset)) else list(values)
    return [text(value.value if isinstance(value, Member) else value) for value in listed]


def _deprecation(named: dict[str, Any], action: Action) -> dict[str, Any]:
    said = named.get("help")
    words = " ".join(said.split()) if isinstance(said, str) else ""
    if not (named.get("deprecated") is True or "Deprecated" in action.name or DEPRECATED.search(words)):
        return {}
    record: dict[str, Any] = {"deprecated": True}
    named_in_help = REPLACEMENT.search(words)
    instead = named.get("new_flag") or (named_in_help.group(1) if named_in_help else None)
    if isinstance(instead, str) and instead not in named["names"]:
        record["instead"] = instead
    if removal := REMOVAL.search(words):
        record["until"] = removal.group(1)
    if isinstance(named.get("error_message"), str):
        record["refused"] = True
    return record
