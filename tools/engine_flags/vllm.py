"""Reads vLLM: `vllm serve` and `python -m vllm.entrypoints.openai.api_server`."""

from __future__ import annotations

import copy
from typing import Any

from .flags import Recorder
from .hints import Fields
from .source import Package
from .statements import Interpreter
from .values import Class, Optional

ENGINE = "vllm"


def flags(package: Package) -> tuple[Recorder, Interpreter]:
    """Return the parser of `vllm serve` as its own code sets it up."""
    interpreter = Interpreter(package)
    arguments = package.module_with("def _compute_kwargs", under="vllm/engine/")
    frontend = package.module_with("class FrontendArgs", under="vllm/entrypoints/")
    fields = Fields(interpreter, arguments)
    kept: dict[Class, dict[str, Any]] = {}

    def get_kwargs(cls: Class) -> dict[str, Any]:
        if cls not in kept:
            kept[cls] = fields.of(cls)
        return copy.deepcopy(kept[cls])

    interpreter.handlers |= {
        "get_kwargs": get_kwargs,
        "optional_type": Optional,
        "parse_type": lambda of: of,
        "load_general_plugins": lambda: None,
    }
    pairs = any(
        "class EnableDisableAction" in package.text(p)
        for p in package.python_files()
        if "argparse_utils" in p
    )
    recorder = Recorder(interpreter, pairs=pairs)
    interpreter.call(interpreter.named(frontend, "make_arg_parser"), [recorder], {})
    return recorder, interpreter


def optimization(package: Package) -> str:
    """Return what `vllm serve` makes of -O3 before it parses: --optimization-level 3, or once -O.mode 3."""
    path = next(p for p in package.python_files() if "class FlexibleArgumentParser" in package.text(p))
    return "--optimization-level" if '"--optimization-level"' in package.text(path) else "-O.mode"
