"""The environment variables that an engine reads, those it gives up, and those it sets itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from .expressions import Expressions
from .flags import text
from .source import Package
from .values import Class, Unknown

NAME = re.compile(r"[A-Z][A-Z0-9_]{2,}[A-Z0-9]")
READER = re.compile(r"env", re.IGNORECASE)
ENVIRON = re.compile(r"environ")
# Code that a server doesn't run: what only it reads has no effect on one.
ELSEWHERE = ("/test", "bench", "multimodal_gen", "setup.py", "/ci/")


def read_names(package: Package) -> set[str]:
    """Return every variable that some module asks for by its literal name."""
    found: set[str] = set()
    for path in package.python_files(*ELSEWHERE):
        if "env" in package.text(path):
            found |= set(_uses(package.tree(path)))
    return found


def _uses(tree: ast.Module) -> Iterator[str]:
    constants = {
        target.id: node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=asked, args=[named, *_]):
                pattern = READER
            case (
                ast.Subscript(value=asked, slice=named, ctx=ast.Load())
                | ast.Compare(left=named, comparators=[asked])
            ):
                pattern = ENVIRON
            case _:
                continue
        value = named.value if isinstance(named, ast.Constant) else constants.get(getattr(named, "id", ""))
        if isinstance(value, str) and NAME.fullmatch(value) and pattern.search(ast.unparse(asked)):
            yield value


def vllm_registry(expressions: Expressions) -> dict[str, str | None]:
    """Return the variables of vllm/envs.py with their defaults as text."""
    table = expressions.package.bindings("vllm.envs")["environment_variables"]
    return {
        key.value: _default_in(value, key.value)
        for key, value in zip(getattr(table, "keys", ()), getattr(table, "values", ()), strict=True)
        if isinstance(key, ast.Constant)
    }


def _default_in(node: ast.expr, name: str) -> str | None:
    """Return the default with which an expression asks for the variable."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and len(call.args) > 1 and ast.unparse(call.args[0]) == repr(name):
            given = call.args[1]
            return str(given.value) if isinstance(given, ast.Constant) else ast.unparse(given)
    return None


def sglang_registry(expressions: Expressions) -> dict[str, dict[str, Any]]:
    """Return the variables of sglang/srt/environ.py: name → default, deprecated, instead."""
    module = "sglang.srt.environ"
    tree = expressions.package.tree(expressions.package.path(module) or "")
    envs = next(s for s in tree.body if isinstance(s, ast.ClassDef) and s.name == "Envs")
    found: dict[str, dict[str, Any]] = {}
    for statement in envs.body:
        if (
            isinstance(statement, ast.Assign)
            and isinstance(statement.value, ast.Call)
            and statement.value.args
        ):
            name = ast.unparse(statement.targets[0])
            found[name] = {"default": text(expressions.value(statement.value.args[0], module))}
            for keyword in statement.value.keywords:
                if keyword.arg == "deprecated_name" and isinstance(keyword.value, ast.Constant):
                    found[str(keyword.value.value)] = {"deprecated": True, "instead": name}
    return found | _deprecated(expressions, tree)


def _deprecated(expressions: Expressions, tree: ast.Module) -> dict[str, dict[str, Any]]:
    """Return what environ.py itself warns of: calls of its two helpers, and, later, one table."""
    found: dict[str, dict[str, Any]] = {}
    parameters = {s.name: [a.arg for a in s.args.args] for s in tree.body if isinstance(s, ast.FunctionDef)}
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Name(id="_print_deprecated_env" | "_warn_deprecated_env_to_cli_flag" as helper)
            ):
                values = [a.value for a in node.args if isinstance(a, ast.Constant)]
                given = dict(zip(parameters[helper], values, strict=False))
                old = given.get("old_name") or given.get("env_name")
                found[str(old)] = _replaced(given.get("new_name"), given.get("suggestion"))
            case ast.AnnAssign(target=ast.Name(id="_DEPRECATED_ENVS"), value=ast.Dict() as table):
                for key, value in zip(table.keys, table.values, strict=True):
                    named = {
                        k.arg: expressions.value(k.value, "sglang.srt.environ")
                        for k in getattr(value, "keywords", [])
                    }
                    found[str(getattr(key, "value", ""))] = _replaced(
                        named.get("replacement"), named.get("note")
                    )
    return found


def _replaced(variable: Any, suggestion: Any) -> dict[str, Any]:
    record: dict[str, Any] = {"deprecated": True}
    flag = (
        re.search(r"(?:use|Pass) '?(--[a-z][a-z0-9-]*(?:=\w+)?)", suggestion)
        if isinstance(suggestion, str)
        else None
    )
    if isinstance(variable, str) or flag:
        record["instead"] = variable or (flag.group(1) if flag else "")
    return record


def set_by_engine(package: Package, module: str, function: str | None) -> list[dict[str, Any]]:
    """Return what a function, or the top of a module, puts into the environment, and when."""
    path = package.path(module)
    if path is None:
        return []
    body: list[ast.stmt] = package.tree(path).body
    if function:
        found = [s for s in body if isinstance(s, ast.FunctionDef) and s.name == function]
        body = found[0].body if found else []
    return list(_sets(body, []))


def _sets(body: list[ast.stmt], tests: list[str]) -> Iterator[dict[str, Any]]:
    for statement in body:
        match statement:
            case ast.Assign(
                targets=[ast.Subscript(value=owner, slice=ast.Constant(value=str(name)))], value=value
            ):
                if ast.unparse(owner) == "os.environ":
                    yield _set(name, value, tests)
            case ast.Expr(value=ast.Call(func=function, args=[ast.Constant(value=str(name)), value])):
                if ast.unparse(function) == "os.environ.setdefault":
                    yield _set(name, value, [*tests, f"{name!r} not in os.environ"])
            case ast.If():
                yield from _sets(statement.body, [*tests, ast.unparse(statement.test)])
                yield from _sets(statement.orelse, [*tests, f"not ({ast.unparse(statement.test)})"])


def _set(name: str, value: ast.expr, tests: list[str]) -> dict[str, Any]:
    constant = str(value.value) if isinstance(value, ast.Constant) else None
    record: dict[str, Any] = {"name": name, "value": constant if constant is not None else ast.unparse(value)}
    if constant is None:
        record["computed"] = True
    unset = (f"{name!r} not in os.environ", f"os.environ.get({name!r}) is None")
    if not tests:
        record["when"] = "always"
    elif any(test.startswith(unset) for test in tests):
        record["when"] = "unset"
    else:
        record["when"] = "sometimes"
    if rest := [test for test in tests if test not in unset]:
        record["condition"] = " and ".join(rest)
    return record


def is_known(value: Any) -> bool:
    """Say whether a value could be read."""
    return not isinstance(value, (Unknown, Class))
