"""Reads SGLang: `sglang serve` and `python -m sglang.launch_server`."""

from __future__ import annotations

import ast
import re
from typing import Any

from .expressions import Expressions
from .flags import Recorder
from .hints import default, kinds
from .source import Package
from .statements import Interpreter
from .values import Class, External, Function, Hint, Unknown

ENGINE = "sglang"
MODULE = "sglang.srt.server_args"


def flags(package: Package) -> tuple[Recorder, Interpreter]:
    """Return the parser of the server's arguments as its own code sets it up."""
    interpreter = Interpreter(package)
    server_args = _class(package, MODULE, "ServerArgs")
    fields = _fields(interpreter, server_args)
    recorder = Recorder(interpreter)
    recorder.extensible = _extensible(interpreter)

    def declared_default(name: str) -> Any:
        cls, field = fields[name]
        return default(interpreter, cls, field)

    def add_from_fields(parser: Recorder, *_: Any, **__: Any) -> None:
        for cls, field in fields.values():
            _add(parser, interpreter, cls, field)

    interpreter.handlers |= {
        "Arg": lambda **named: named,
        "add_cli_args_from_dataclass": add_from_fields,
        "_declared_default": declared_default,
        "_reasoning_parser_choices": lambda: reasoning_parsers(interpreter),
        "_tool_call_parser_choices": lambda: tool_parsers(interpreter),
        "Envs": lambda: _class(package, "sglang.srt.environ", "Envs"),
        **dict.fromkeys(("EnvBool", "EnvInt", "EnvStr", "EnvFloat"), Unset),
    }
    add_cli_args = next(
        s for s in server_args.node.body if isinstance(s, ast.FunctionDef) and s.name == "add_cli_args"
    )
    interpreter.call(Function(MODULE, add_cli_args), [recorder], {})
    return recorder, interpreter


class Unset:
    """A variable of environ.py that nobody has set: envs.NAME.get() gives its default."""

    def __init__(self, default: Any, **_: Any) -> None:
        self.default = default

    def get(self) -> Any:
        """Return the default."""
        return self.default


def _class(package: Package, module: str, name: str) -> Class:
    """Return a class by name even if the name is bound anew after it."""
    tree = package.tree(package.path(module) or "")
    return Class(module, next(s for s in tree.body if isinstance(s, ast.ClassDef) and s.name == name))


def _extensible(expressions: Expressions) -> set[int]:
    """Return the lists of choices for which SGLang offers plug-ins a function, add_…_choices, that extends them."""
    modules = [m for m in (MODULE, "sglang.srt.arg_groups.choices") if expressions.package.path(m)]
    source = "".join(
        ast.unparse(node)
        for module in modules
        for name, node in expressions.package.bindings(module).items()
        if name.startswith("add_") and not isinstance(node, ast.ImportFrom)
    )
    return {
        id(expressions.named(modules[-1], name)) for name in re.findall(r"([A-Z][A-Z0-9_]+)\.extend", source)
    }


def _fields(expressions: Expressions, server_args: Class) -> dict[str, tuple[Class, ast.AnnAssign]]:
    """Return the fields of ServerArgs in their order: from 0.5.23 on they lie in classes by subject."""
    classes = [server_args]
    order: list[str] = []
    if "_INPUT_NAMESPACES" in expressions.package.bindings(MODULE):
        classes = expressions.named(MODULE, "_INPUT_NAMESPACES")
        order = list(expressions.named("sglang.srt.arg_groups.field_order", "POSITIONAL_FIELD_ORDER"))
    found = {
        s.target.id: (cls, s)
        for cls in classes
        for s in cls.node.body
        if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)
    }
    return {
        name: found[name]
        for name in [*(n for n in order if n in found), *(n for n in found if n not in order)]
    }


def _add(parser: Recorder, expressions: Expressions, cls: Class, field: ast.AnnAssign) -> None:
    """Add a field as SGLang's add_cli_args_from_dataclass() does."""
    hint = expressions.value(field.annotation, cls.module)
    if not isinstance(hint, Hint) or hint.origin != "Annotated":
        return
    meta = next(
        (a if isinstance(a, dict) else {"help": a} for a in hint.arguments[1:] if isinstance(a, (dict, str))),
        None,
    )
    if meta is None or meta.get("no_cli"):
        return
    field_name = ast.unparse(field.target)
    name = meta.get("cli_name") or "--" + field_name.replace("_", "-")
    named: dict[str, Any] = {"help": meta.get("help", ""), "dest": field_name}
    if field.value is not None:
        named["default"] = default(expressions, cls, field)
    else:
        named["required"] = meta.get("required") is not False
    parser.add_argument(name, *(meta.get("aliases") or []), **named, **_by_kind(hint.arguments[0], meta))


def _by_kind(hint: Any, meta: dict[str, Any]) -> dict[str, Any]:
    if meta.get("action") is not None:
        return {"action": meta["action"], **(meta.get("action_kwargs") or {})}
    found = [kind for kind in kinds(hint) if kind != "None"]
    kind = found[0] if len(found) == 1 else "str"
    result: dict[str, Any] = {k: meta[k] for k in ("choices", "nargs") if meta.get(k)}
    parser = {"type": _converter(meta["type_parser"])} if meta.get("type_parser") is not None else {}
    if isinstance(kind, Hint) and kind.origin == "Literal":
        options = list(kind.arguments)
        return {"choices": options, "type": _scalar(type(options[0]).__name__)} | result | parser
    if isinstance(kind, Hint) and kind.origin == "list" and not parser:
        element = kinds(kind.arguments[0])[0] if kind.arguments else "str"
        return {"type": _scalar(element), "nargs": "+"} | result
    if kind == "bool":
        return {"action": "store_true"}
    return {"type": _scalar(kind)} | parser | result


def _converter(converter: Any) -> Any:
    """Return SGLang's own reading of 25k or 4Ki by a name of its own: vLLM's function of the same name differs."""
    return "si-int" if getattr(converter, "name", "") == "human_readable_int" else converter


def _scalar(kind: Any) -> External:
    return External(kind if kind in ("str", "int", "float") else "str")


def reasoning_parsers(expressions: Expressions) -> list[str]:
    """Return the names that --reasoning-parser takes."""
    names = expressions.named("sglang.srt.parser.reasoning_parser_names", "REASONING_PARSER_NAMES")
    if isinstance(names, Unknown):
        names = expressions.attribute(
            expressions.named("sglang.srt.parser.reasoning_parser", "ReasoningParser"), "DetectorMap"
        )
    return list(names)


def tool_parsers(expressions: Expressions) -> list[str]:
    """Return the names that --tool-call-parser takes."""
    names = expressions.named("sglang.srt.function_call.parser_names", "TOOL_CALL_PARSER_NAMES")
    if isinstance(names, Unknown):
        names = expressions.attribute(
            expressions.named("sglang.srt.function_call.function_call_parser", "FunctionCallParser"),
            "ToolCallParserEnum",
        )
    return list(names)


def takes_positional(package: Package) -> bool:
    """Say whether `sglang serve MODEL` is understood, not only --model-path MODEL."""
    return "_normalize_positional_model_path" in package.text("sglang/cli/serve.py")


def own_flags(package: Package) -> list[str]:
    """Return the flags that `sglang serve` takes away before the server's parser sees them."""
    return ["--model-type"] if '"--model-type"' in package.text("sglang/cli/serve.py") else []
