"""The reader follows an engine's source without running it. The wheels here are made up; their shapes are real ones."""

from __future__ import annotations

import textwrap
import zipfile
from pathlib import Path
from typing import Any

import pytest
from engine_flags import catalogue, environment, sglang, vllm
from engine_flags.overrides import Overrides
from engine_flags.source import Package
from engine_flags.statements import Interpreter
from engine_flags.values import Unknown


def package(folder: Path, files: dict[str, str]) -> Package:
    path = folder / "engine-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, textwrap.dedent(text))
    return Package(path)


def value(folder: Path, text: str, **more: str) -> Any:
    files = {"m/__init__.py": "", "m/a.py": text, **{f"m/{name}.py": body for name, body in more.items()}}
    return Interpreter(package(folder, files)).named("m.a", "x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = ['a'] + list(B.keys())\nB = {'b': 1}", ["a", "b"]),
        ("from m.b import C as x", ["c"]),
        ("from .b import C\nx = [*C, 'd']", ["c", "d"]),
        ("from m import b\nx = b.C", ["c"]),
        (
            "x = [e.name.lower() for e in E]\nimport enum\nclass E(enum.Enum):\n    A = 1\n    B = 2",
            ["a", "b"],
        ),
        ("from typing import Literal, get_args\nL = Literal['p', 'q']\nx = list(get_args(L))", ["p", "q"]),
        ("class K:\n    y: int = 3\nx = K.y * 2", 6),
        ("def f(a, b=2):\n    c = a + b\n    return [c]\nx = f(1)", [3]),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from torch import x\nelse:\n    x = 7", 7),
    ],
)
def test_what_the_source_says_is_known(tmp_path: Path, text: str, expected: Any) -> None:
    assert value(tmp_path, text, b="C = ['c']") == expected


@pytest.mark.parametrize(
    "text", ["import os\nx = os.getpid()", "x = open('/etc/passwd').read()", "x = __import__('os')"]
)
def test_what_only_a_run_would_say_is_unknown_and_nothing_is_run(tmp_path: Path, text: str) -> None:
    assert isinstance(value(tmp_path, text), Unknown)


SERVER_ARGS = """
    import argparse
    import dataclasses
    from typing import Annotated as A, List, Optional
    from sglang.srt.arg_groups.arg_utils import Arg, add_cli_args_from_dataclass
    from sglang.srt.function_call.function_call_parser import FunctionCallParser

    CHOICES = ["fp8", "awq"]

    def add_quantization_choices(choices):
        CHOICES.extend(choices)

    class Retired(argparse.Action):
        def __init__(self, option_strings, dest, nargs=0, **kwargs): ...

    class DeprecatedAlias(argparse.Action):
        pass

    @dataclasses.dataclass
    class ServerArgs:
        model_path: A[str, Arg(help="The weights.", aliases=["--model"])]
        tp_size: A[int, Arg(help="Ranks.", cli_name="--tensor-parallel-size", aliases=["--tp-size"])] = 1
        quantization: A[Optional[str], Arg(help="The method.", choices=CHOICES)] = None
        sizes: A[Optional[List[int]], "Sizes."] = None
        quiet: A[bool, "Say less."] = False
        inner: A[bool, Arg(no_cli=True)] = False
        plain: int = 3

        @staticmethod
        def add_cli_args(parser):
            add_cli_args_from_dataclass(parser, ServerArgs)
            tools = list(FunctionCallParser.ToolCallParserEnum.keys())
            parser.add_argument("--tool-call-parser", type=str, choices=["auto"] + tools, default=ServerArgs.plain)
            parser.add_argument("--max-bs", type=int, action=DeprecatedAlias, new_flag="--sizes", dest="sizes")
            for name in ("old-a", "old-b"):
                parser.add_argument(f"--{name}", action=Retired, help="Deprecated. Use --quiet instead.")
"""


def sglang_wheel(folder: Path) -> Package:
    return package(
        folder,
        {
            "sglang/srt/server_args.py": SERVER_ARGS,
            "sglang/srt/arg_groups/arg_utils.py": "class Arg: ...\ndef add_cli_args_from_dataclass(parser, cls): ...\n",
            "sglang/srt/function_call/function_call_parser.py": (
                "class GlmDetector: ...\nclass FunctionCallParser:\n    ToolCallParserEnum = {'glm45': GlmDetector}\n"
            ),
            "sglang/srt/environ.py": "class Envs:\n    SGLANG_X = EnvBool(True)\n",
        },
    )


def test_sglangs_fields_and_its_own_calls_become_flags(tmp_path: Path) -> None:
    recorder, _ = sglang.flags(sglang_wheel(tmp_path))
    found = {record["names"][0]: record for record in recorder.flags}
    assert list(found) == [
        "--model-path", "--tensor-parallel-size", "--quantization", "--sizes", "--quiet", "--tool-call-parser",
        "--max-bs", "--old-a", "--old-b",
    ]  # fmt: skip
    assert found["--model-path"]["required"]
    assert found["--tensor-parallel-size"]["dest"] == "tp_size"
    assert (found["--quantization"]["choices"], found["--quantization"]["open"]) == (["fp8", "awq"], True)
    assert (found["--sizes"]["type"], found["--sizes"]["nargs"]) == ("int", "+")
    assert (found["--quiet"]["nargs"], found["--old-a"]["nargs"]) == (0, 0)
    assert (found["--tool-call-parser"]["choices"], found["--tool-call-parser"]["default"]) == (
        ["auto", "glm45"],
        "3",
    )
    assert (found["--max-bs"]["instead"], found["--old-b"]["instead"]) == ("--sizes", "--quiet")


ARG_UTILS = """
    import argparse
    from vllm.config import CacheConfig

    def optional_type(of): ...
    def get_kwargs(cls): ...
    def _compute_kwargs(cls):
        for name in cls:
            if name == "max_model_len":
                kwargs[name]["type"] = human_readable_int_or_auto
            elif name in ("max_num_batched_tokens", "kv_cache_memory_bytes"):
                kwargs[name]["type"] = human_readable_int

    class EngineArgs:
        @staticmethod
        def add_cli_args(parser):
            kwargs = get_kwargs(CacheConfig)
            kwargs["dtype"]["choices"].remove("inner")
            group = parser.add_argument_group(title="Cache")
            group.add_argument("--kv-cache-dtype", **kwargs["dtype"])
            group.add_argument("--enable-caching", "-ec", **{**kwargs["caching"], "default": None})
            group.add_argument("--max-model-len", **kwargs["max_model_len"])
            group.add_argument("--backend", **kwargs["backend"])
            group.add_argument("--eplb-config", **kwargs["eplb"])
            return parser

    class AsyncEngineArgs(EngineArgs):
        @staticmethod
        def add_cli_args(parser):
            return EngineArgs.add_cli_args(parser)
"""
CONFIG = """
    import enum
    from dataclasses import field
    from typing import Literal, Optional
    DType = Literal["auto", "fp8", "inner"]

    class Backend(enum.Enum):
        FLASH = 1
        TRITON = 2

    @config
    class EPLB:
        size: int = 1

    @config
    class CacheConfig:
        dtype: DType = "auto"
        caching: bool = True
        '''Deprecated: it will be removed in v1.2.'''
        max_model_len: Optional[int] = None
        backend: Backend | None = None
        eplb: EPLB = field(default_factory=EPLB)
"""
CLI_ARGS = """
    import json
    from dataclasses import field
    from vllm.engine.arg_utils import AsyncEngineArgs, get_kwargs, optional_type

    @config
    class BaseFrontendArgs:
        origins: list[str] = field(default_factory=lambda: ["*"])

        @classmethod
        def _customize(cls, kwargs):
            kwargs["origins"]["type"] = json.loads
            del kwargs["origins"]["nargs"]
            return kwargs

        @classmethod
        def add_cli_args(cls, parser):
            kwargs = cls._customize(get_kwargs(cls))
            for key, value in kwargs.items():
                parser.add_argument(f"--{key.replace('_', '-')}", **value)
            return parser

    @config
    class FrontendArgs(BaseFrontendArgs):
        api_key: list[str] | None = None

        @classmethod
        def _customize(cls, kwargs):
            return super()._customize(kwargs)

    def make_arg_parser(parser):
        parser.add_argument("model_tag", nargs="?")
        parser = FrontendArgs.add_cli_args(parser)
        return AsyncEngineArgs.add_cli_args(parser)
"""


def test_vllms_configuration_classes_become_flags(tmp_path: Path) -> None:
    files = {
        "vllm/engine/arg_utils.py": ARG_UTILS,
        "vllm/config.py": CONFIG,
        "vllm/entrypoints/openai/cli_args.py": CLI_ARGS,
        "vllm/utils/argparse_utils.py": "class EnableDisableAction: ...\n",
    }
    recorder, _ = vllm.flags(package(tmp_path, files))
    found = {record["names"][0]: record for record in recorder.flags}
    assert [record["names"][0] for record in recorder.positional] == ["model_tag"]
    assert (found["--origins"]["type"], found["--origins"].get("nargs"), found["--origins"]["default"]) == (
        "json",
        None,
        "['*']",
    )
    assert (found["--api-key"]["nargs"], found["--api-key"]["optional"]) == ("+", True)
    assert found["--kv-cache-dtype"]["choices"] == ["auto", "fp8"]
    assert found["--enable-caching"]["negatives"] == ["--no-enable-caching", "--disable-caching"]
    assert (found["--enable-caching"]["deprecated"], found["--enable-caching"]["until"]) == (True, "1.2")
    assert (found["--max-model-len"]["type"], found["--max-model-len"]["optional"]) == (
        "human-int-or-auto",
        True,
    )
    assert (found["--backend"]["choices"], found["--backend"]["checked"]) == (["FLASH", "TRITON"], False)
    assert found["--eplb-config"]["type"] == "json-config"


def test_a_release_that_is_not_understood_is_refused_not_written(tmp_path: Path) -> None:
    lost = {
        "vllm/engine/arg_utils.py": "def _compute_kwargs(cls): ...\n",
        "vllm/entrypoints/cli_args.py": "class FrontendArgs: ...\n",
    }
    with pytest.raises(SystemExit):
        vllm.flags(package(tmp_path, lost))


def test_a_release_with_fewer_flags_than_the_one_before_is_refused(tmp_path: Path) -> None:
    recorder, _ = sglang.flags(sglang_wheel(tmp_path))
    nothing = ("environment", "tool_call_parsers", "reasoning_parsers", "architectures", "moe_configs")
    found: dict[str, Any] = {part: [] for part in nothing}
    said = r"--host is missing.*only 9 flags, at least 531 expected"
    with pytest.raises(catalogue.BrokenError, match=said):
        catalogue._guard(found | {"engine": "sglang", "version": "0.6.0", "flags": recorder.flags})


def test_variables_are_found_however_they_are_asked_for(tmp_path: Path) -> None:
    text = """
        import os
        KEY = "ENGINE_BY_CONSTANT"
        a = os.environ.get("ENGINE_GET"), os.getenv("ENGINE_GETENV", "1"), os.environ["ENGINE_ITEM"], os.getenv(KEY)
        b = "ENGINE_IN" in os.environ, get_bool_env_var("ENGINE_HELPER")
        os.environ["ENGINE_ONLY_SET"] = "1"
        print("ENGINE_SPOKEN_OF")
    """
    found = environment.read_names(
        package(tmp_path, {"m/a.py": text, "m/test/b.py": 'import os\nos.getenv("ENGINE_TEST")'})
    )
    assert found == {f"ENGINE_{name}" for name in ("GET", "GETENV", "ITEM", "BY_CONSTANT", "IN", "HELPER")}


def test_when_an_engine_sets_a_variable_itself(tmp_path: Path) -> None:
    text = """
        def start(args):
            os.environ["A"] = "8"
            if "B" not in os.environ or args.b:
                os.environ["B"] = str(args.b)
            os.environ.setdefault("C", "1")
            if args.d:
                os.environ["D"] = "1"
    """
    rows = environment.set_by_engine(package(tmp_path, {"m.py": text}), "m", "start")
    assert [(row["name"], row["when"]) for row in rows] == [
        ("A", "always"),
        ("B", "unset"),
        ("C", "unset"),
        ("D", "sometimes"),
    ]
    assert (rows[0]["value"], rows[1]["computed"]) == ("8", True)


def test_a_row_of_the_overrides_that_fits_nothing_is_named() -> None:
    overrides = Overrides()
    assert "vllm --quantization" in overrides.unused({"vllm"})
    flags = [{"names": ["--quantization", "-q"]}]
    overrides.apply("vllm", "0.33.0", flags, lambda place: ["fp8"])
    assert flags[0] == {"names": ["--quantization", "-q"], "choices": ["fp8"], "checked": False, "open": True}
    assert "vllm --quantization" not in overrides.unused({"vllm"})
