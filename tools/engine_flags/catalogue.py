"""One version's catalogue: everything that is read of a wheel, the guards that say when reading broke, and the file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from . import contents, environment, sglang, vllm
from .overrides import Overrides, release
from .source import Package
from .statements import Interpreter
from .values import Hint

# Where an engine's code moves, reading it may quietly find less. These say so. A release that isn't listed must have as
# many flags as the one before it.
FLOORS = {
    "vllm": {"0.11.2": 200, "0.16.0": 212, "0.23.0": 261, "0.32.0": 316, "0.33.0": 320},
    "sglang": {"0.5.5.post3": 279, "0.5.9": 331, "0.5.14": 420, "0.5.23": 531},
}
MUST_HAVE = {
    "vllm": (
        "--model", "--host", "--port", "--api-key", "--tensor-parallel-size", "-tp", "--kv-cache-dtype",
        "--quantization", "-q", "--gpu-memory-utilization", "--max-model-len", "--enable-expert-parallel",
        "--speculative-config", "--tool-call-parser", "--reasoning-parser", "--enable-auto-tool-choice",
        "--config", "--served-model-name", "--enable-log-requests", "--disable-custom-all-reduce",
        "--compilation-config", "--max-num-seqs",
    ),
    "sglang": (
        "--model-path", "--model", "--host", "--port", "--api-key", "--tp-size", "--tensor-parallel-size", "--dp-size",
        "--kv-cache-dtype", "--quantization", "--mem-fraction-static", "--chunked-prefill-size",
        "--enable-torch-compile", "--tool-call-parser", "--reasoning-parser", "--attention-backend",
        "--disable-cuda-graph", "--served-model-name", "--speculative-algorithm", "--context-length",
        "--enable-metrics", "--disable-custom-all-reduce",
    ),
}  # fmt: skip
MUST_READ = {
    "vllm": ("VLLM_HOST_IP", "VLLM_API_KEY", "VLLM_TUNED_CONFIG_FOLDER"),
    "sglang": ("SGLANG_MOE_CONFIG_DIR",),
}


class BrokenError(Exception):
    """A guard says that the reader doesn't understand this release."""


def read(engine: str, version: str, wheel: Path, overrides: Overrides) -> dict[str, Any]:
    """Return the catalogue of one wheel. Raise BrokenError where a guard says that something was lost."""
    package = Package(wheel)
    reader = {"vllm": _vllm, "sglang": _sglang}[engine]
    found = {
        "engine": engine,
        "version": version,
        "wheel": wheel.name,
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "torch": contents.requirement(package, "torch"),
        **reader(package, version, overrides),
        "moe_configs": contents.moe_configs(package),
    }
    _guard(found)
    return found


def _vllm(package: Package, version: str, overrides: Overrides) -> dict[str, Any]:
    recorder, interpreter = vllm.flags(package)
    tools = contents.vllm_parsers(interpreter, "_TOOL_PARSERS_TO_REGISTER")
    reasoning = contents.vllm_parsers(interpreter, "_REASONING_PARSERS_TO_REGISTER")
    known = {"tool parsers": tools, "reasoning parsers": reasoning}
    overrides.apply(
        "vllm", version, recorder.flags, lambda place: known.get(place) or _literal(interpreter, place)
    )
    registry = {name: {"default": text} for name, text in environment.vllm_registry(interpreter).items()}
    return {
        "positional": {"vllm serve": "model", "python -m vllm.entrypoints.openai.api_server": "model"},
        "optimization": vllm.optimization(package),
        "flags": recorder.flags,
        "environment": _variables(package, registry),
        "sets": [
            *environment.set_by_engine(package, "vllm.env_override", None),
            *(
                row
                for module in (
                    "vllm.entrypoints.utils",
                    "vllm.entrypoints.serve.utils.api_utils",
                    "vllm.entrypoints.common.startup",
                )
                for row in environment.set_by_engine(package, module, "cli_env_setup")
            ),
        ],
        "tool_call_parsers": tools,
        "reasoning_parsers": reasoning,
        "architectures": contents.vllm_architectures(interpreter),
    }


def _sglang(package: Package, version: str, overrides: Overrides) -> dict[str, Any]:
    recorder, interpreter = sglang.flags(package)
    overrides.apply("sglang", version, recorder.flags, lambda place: _literal(interpreter, place))
    return {
        "positional": {"sglang serve": "model"} if sglang.takes_positional(package) else {},
        "own_flags": {"sglang serve": sglang.own_flags(package)},
        "flags": recorder.flags,
        "environment": _variables(package, environment.sglang_registry(interpreter)),
        "renamed_prefixes": {"SGL_": "SGLANG_"},
        "sets": environment.set_by_engine(package, "sglang.srt.entrypoints.engine", "_set_envs_and_config"),
        "tool_call_parsers": sglang.tool_parsers(interpreter),
        "reasoning_parsers": sglang.reasoning_parsers(interpreter),
        "architectures": contents.sglang_architectures(package),
    }


def _literal(interpreter: Interpreter, place: str) -> list[str]:
    module, _, name = place.partition(":")
    value = interpreter.named(module, name)
    if not isinstance(value, Hint):
        raise BrokenError(f"{place} isn't a list of names")
    return sorted(str(option) for option in value.arguments)


def _variables(package: Package, registry: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    names = sorted(set(registry) | environment.read_names(package))
    return [
        {"name": name, **{k: v for k, v in registry.get(name, {}).items() if v is not None}} for name in names
    ]


def _guard(found: dict[str, Any]) -> None:
    engine = found["engine"]
    names = {name for flag in found["flags"] for name in flag["names"]}
    variables = {variable["name"] for variable in found["environment"]}
    faults = [f"{name} is missing" for name in MUST_HAVE[engine] if name not in names]
    faults += [f"{name} is missing" for name in MUST_READ[engine] if name not in variables]
    floor = max((n for v, n in FLOORS[engine].items() if release(v) <= release(found["version"])), default=1)
    if len(found["flags"]) < floor:
        faults.append(f"only {len(found['flags'])} flags, at least {floor} expected")
    faults += [
        f"no {part} found"
        for part in ("tool_call_parsers", "reasoning_parsers", "architectures", "moe_configs")
        if not found[part]
    ]
    strings = [n for flag in found["flags"] for n in (*flag["names"], *flag.get("negatives", ()))]
    faults += [f"{name} is there twice" for name in sorted({n for n in strings if strings.count(n) > 1})]
    if faults:
        raise BrokenError(f"{engine} {found['version']}: " + "; ".join(faults))


def write(found: dict[str, Any], path: Path) -> None:
    """Write a catalogue with one flag, variable or file name a line, so that two of them can be compared."""
    parts = []
    for key, value in found.items():
        if isinstance(value, list):
            parts.append(f"{json.dumps(key)}: [\n{_lines(value)}\n]")
        elif key == "moe_configs":
            folders = [f"{json.dumps(folder)}: [\n{_lines(names)}\n]" for folder, names in value.items()]
            parts.append('"moe_configs": {\n' + ",\n".join(folders) + "\n}")
        else:
            parts.append(f"{json.dumps(key)}: {json.dumps(value)}")
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


def _lines(rows: list[Any]) -> str:
    return ",\n".join(
        json.dumps(_shorter(row) if isinstance(row, dict) else row, ensure_ascii=False) for row in rows
    )


def _shorter(row: dict[str, Any]) -> dict[str, Any]:
    """Leave out what goes without saying: a destination that follows from the name, a flag that takes one string."""
    names = row.get("names")
    if names:
        long = next((name for name in names if name.startswith("--")), names[0])
        plain = {
            "dest": long.lstrip("-").replace("-", "_"),
            "type": "bool" if row.get("nargs") == 0 else "str",
        }
        row = {k: v for k, v in row.items() if plain.get(k) != v}
    return row
