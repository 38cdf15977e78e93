"""What else a wheel ships that a recipe depends on: tuned kernels, parser names, model classes."""

from __future__ import annotations

import ast
import re
from typing import Any

from .expressions import Expressions
from .source import Package

CONFIG = re.compile(r"(?P<folder>.*/configs(?:/triton_(?P<triton>[\d_]+))?)/(?P<name>E=[^/]*\.json)")
FAMILY = "Glm"


def moe_configs(package: Package) -> dict[str, list[str]]:
    """Return the tuned fused-MoE files by folder; SGLang's folders carry the Triton version."""
    found: dict[str, list[str]] = {}
    for path in sorted(package.files):
        if (match := CONFIG.fullmatch(path)) and "lora" not in path:
            found.setdefault(match["folder"], []).append(match["name"])
    return found


def vllm_parsers(expressions: Expressions, table: str) -> list[str]:
    """Return the names in one of vLLM's tables of parsers, which moved between releases, and those put in by hand."""
    package = expressions.package
    paths = [p for p in package.python_files() if f"\n{table} = {{" in package.text(p)]
    if len(paths) != 1:
        raise SystemExit(f"vllm: {table} is in {paths}")
    found = expressions.named(paths[0].removesuffix("/__init__.py").replace("/", "."), table)
    return sorted(found)


def vllm_architectures(expressions: Expressions) -> list[str]:
    """Return the model classes of the GLM family that vLLM's registry names."""
    module = "vllm.model_executor.models.registry"
    tables = ("_TEXT_GENERATION_MODELS", "_MULTIMODAL_MODELS", "_SPECULATIVE_DECODING_MODELS")
    keys = [k for table in tables for k in getattr(expressions.package.bindings(module)[table], "keys", [])]
    return sorted(k.value for k in keys if isinstance(k, ast.Constant) and str(k.value).startswith(FAMILY))


def sglang_architectures(package: Package) -> list[str]:
    """Return the model classes of the GLM family that SGLang's model modules enter."""
    found: set[str] = set()
    for path in package.python_files():
        if path.startswith("sglang/srt/models/"):
            for statement in package.tree(path).body:
                if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "EntryClass":
                    found |= {n.id for n in ast.walk(statement.value) if isinstance(n, ast.Name)}
    return sorted(name for name in found if name.startswith(FAMILY))


def requirement(package: Package, name: str) -> str | None:
    """Return the version that the wheel's metadata pins a package to."""
    metadata = next(p for p in package.files if p.endswith(".dist-info/METADATA"))
    pinned: Any = re.search(
        rf"^Requires-Dist: {re.escape(name)}(?:\[[^]]*\])?==([^\s;]+)", package.text(metadata), re.MULTILINE
    )
    return pinned[1] if pinned else None
