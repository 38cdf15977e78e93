"""Every catalogue of an engine says as much as that release had, and what recipes rely on."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from glmprov.engines.flags import ENGINES, Catalogue, catalogue, versions
from glmprov.engines.parsing import parse

ROOT = Path(__file__).parents[2]
LISTED = [(engine, version) for engine in ENGINES for version in versions(engine)]
# flags, option strings without negatives: as read on 2026-11-29, and on 2026-11-22 by another script. vllm 0.11.2 had
# 196 and 213 there: four deprecated --guided-decoding-* flags are added in a loop, which that script didn't follow.
COUNTS = {
    ("vllm", "0.11.2"): (200, 217), ("vllm", "0.16.0"): (212, 232), ("vllm", "0.23.0"): (261, 283),
    ("vllm", "0.32.0"): (316, 340), ("vllm", "0.33.0"): (320, 344),
    ("sglang", "0.5.5.post3"): (279, 287), ("sglang", "0.5.9"): (331, 341), ("sglang", "0.5.14"): (420, 431),
    ("sglang", "0.5.23"): (531, 547),
}  # fmt: skip
FUSED_MOE_FILES = {
    ("vllm", "0.11.2"): 271, ("vllm", "0.16.0"): 296, ("vllm", "0.23.0"): 316, ("vllm", "0.32.0"): 337,
    ("vllm", "0.33.0"): 338,
    ("sglang", "0.5.5.post3"): 209, ("sglang", "0.5.9"): 279, ("sglang", "0.5.14"): 355, ("sglang", "0.5.23"): 390,
}  # fmt: skip
BOOK = {  # the flags of the published recipes, as they are spelled there
    "vllm": ("--model", "--quantization", "--kv-cache-dtype", "--tensor-parallel-size", "--gpu-memory-utilization",
             "--max-model-len", "--host", "--port"),
    "sglang": ("--model-path", "--quantization", "--kv-cache-dtype", "--enable-torch-compile", "--chunked-prefill-size",
               "--mem-fraction-static", "--host", "--port"),
}  # fmt: skip


@pytest.fixture(params=LISTED, ids="-".join)
def listed(request: pytest.FixtureRequest) -> Catalogue:
    return catalogue(*request.param)


def test_there_is_a_catalogue_of_every_version_that_is_counted_here() -> None:
    assert set(LISTED) == set(COUNTS) == set(FUSED_MOE_FILES)


def test_it_has_as_many_flags_as_the_release(listed: Catalogue) -> None:
    flags, strings = COUNTS[listed.engine, listed.version]
    assert len(listed.flags) == flags
    assert sum(len(flag.names) for flag in listed.flags) == strings


def test_it_has_the_flags_of_the_published_recipes(listed: Catalogue) -> None:
    assert [name for name in BOOK[listed.engine] if name not in listed.spellings] == []


def test_no_option_string_is_two_flags(listed: Catalogue) -> None:
    strings = [spelling for flag in listed.flags for spelling in flag.spellings]
    assert len(strings) == len(set(strings))


def test_what_a_deprecated_flag_points_to_is_there(listed: Catalogue) -> None:
    pointed = [flag.instead.partition("=")[0].partition(" ")[0] for flag in listed.flags if flag.instead]
    assert [name for name in pointed if "{" not in name and name not in listed.spellings] == []


def test_defaults_are_among_the_choices(listed: Catalogue) -> None:
    strange = [
        flag.name
        for flag in listed.flags
        if flag.choices
        and flag.checked
        and flag.default not in (None, "None", *flag.choices)
        and flag.nargs is None
    ]
    # 0.5.23 keeps a deprecated flag with one choice that stores a truth value.
    assert strange in ([], ["--monokernel-backend"])


def test_it_ships_as_many_tuned_kernels_as_the_release(listed: Catalogue) -> None:
    assert sum(map(len, listed.moe_configs.values())) == FUSED_MOE_FILES[listed.engine, listed.version]


def test_it_knows_glm_and_its_parsers(listed: Catalogue) -> None:
    assert "Glm4MoeForCausalLM" in listed.architectures
    assert "glm45" in listed.tool_call_parsers
    assert "glm45" in listed.reasoning_parsers


def test_glm47_is_a_tool_parser_of_all_but_the_oldest_and_a_reasoning_parser_of_vllm_since_0_32() -> None:
    without = [pair for pair in LISTED if "glm47" not in catalogue(*pair).tool_call_parsers]
    assert without == [("sglang", "0.5.5.post3"), ("vllm", "0.11.2")]
    assert [pair for pair in LISTED if "glm47" in catalogue(*pair).reasoning_parsers] == [
        ("vllm", "0.32.0"),
        ("vllm", "0.33.0"),
    ]


def test_sglang_sets_the_number_of_connections_whatever_the_operator_wants() -> None:
    for version in versions("sglang"):
        (row,) = catalogue("sglang", version).set_by_engine("CUDA_DEVICE_MAX_CONNECTIONS")
        assert (row.value, row.when) == ("8", "always")
        assert catalogue("sglang", version).set_by_engine("NCCL_NVLS_ENABLE")[0].when == "unset"
    assert not any(
        catalogue("vllm", v).set_by_engine("CUDA_DEVICE_MAX_CONNECTIONS") for v in versions("vllm")
    )


def test_a_variable_that_a_release_no_longer_reads() -> None:
    reads = [v for v in versions("vllm") if catalogue("vllm", v).variable("VLLM_ATTENTION_BACKEND")]
    assert reads == ["0.11.2"]
    assert all(catalogue("vllm", v).variable("VLLM_TUNED_CONFIG_FOLDER") for v in versions("vllm"))


def test_old_names_of_sglangs_variables_lead_to_the_new_ones() -> None:
    found = catalogue("sglang", "0.5.23").variable("SGL_ENABLE_JIT_DEEPGEMM")
    assert found is not None
    assert (found.deprecated, found.instead) == (True, "SGLANG_ENABLE_JIT_DEEPGEMM")
    assert catalogue("sglang", "0.5.23").variable("USE_TRITON_W8A8_FP8_KERNEL")
    assert catalogue("sglang", "0.5.23").variable("SGLANG_NO_SUCH_THING") is None


def test_the_tuned_kernels_for_our_cards_are_those_of_the_record() -> None:
    ours = {
        pair: sorted(
            {
                n.split(",device")[0]
                for names in catalogue(*pair).moe_configs.values()
                for n in names
                if "RTX_PRO_6000" in n
            }
        )
        for pair in LISTED
    }
    assert ours["vllm", "0.11.2"] == []
    assert not any(
        name.startswith(("E=160,", "E=161,"))
        for pair, names in ours.items()
        if pair[0] == "vllm"
        for name in names
    )
    assert "E=161,N=384" in ours["sglang", "0.5.5.post3"]
    assert "E=161,N=192" in ours["sglang", "0.5.9"]


def test_it_is_read_with_the_standard_library_alone() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from glmprov.engines.parsing import parse;"
        "from glmprov.engines.flags import catalogue; parse(catalogue('vllm', '0.33.0'), ['m', '--port', '1']);"
        "foreign = {m.partition('.')[0] for m in sys.modules} - set(sys.stdlib_module_names) - {'__main__', 'glmprov'};"
        "sys.exit(', '.join(sorted(foreign)) or 0)"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(ROOT)], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")


# Where vLLM can be imported, on a CPU too, its own parser is asked. Its choices of a device are those of the platform.
REFUSED = (
    "m --max-model-len 32kb", "m --port x", "m --max-log-len z", "m --kv-cache-dtype fp9", "m --trust-remote-code=1",
    "m --api-key", "m --allowed-origins x", "m --moe-backend zz", "m --enable-", "m n", "m --swap-space 4",
)  # fmt: skip
ACCEPTED = (
    "m --max-model-len 32k -O3 -q fp8",
    "m --tensor_parallel 4",
    "-tp 4 --model m",
    "m --moe-backend FlashInfer-Cutlass",
)


@pytest.fixture(scope="module")
def real() -> Any:
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("the engine isn't installed here")
    from vllm.entrypoints.cli.serve import ServeSubcommand
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    parser = FlexibleArgumentParser(prog="vllm")
    serve = ServeSubcommand().subparser_init(parser.add_subparsers(dest="subparser"))
    return parser, serve, catalogue("vllm", importlib.metadata.version("vllm").partition("+")[0])


def test_the_real_parser_has_the_same_option_strings_in_the_same_order(real: Any) -> None:
    _, serve, ours = real
    assert [name for name in serve._option_string_actions if name not in ("-h", "--help")] == list(
        ours.spellings
    )


def test_the_real_parser_takes_the_same_values(real: Any) -> None:
    _, serve, ours = real
    platform = "--mm-processor-device"
    for action in serve._actions:
        if action.option_strings and action.dest != "help" and platform not in action.option_strings:
            flag = ours.flag(action.option_strings[0])
            theirs = None if action.choices is None else {str(c) for c in action.choices if c is not None}
            assert (flag.destination, flag.nargs, flag.label) == (
                action.dest, action.nargs, "/".join(action.option_strings)
            )  # fmt: skip
            assert theirs == (set(flag.choices) if flag.choices and flag.checked else None), flag.name


@pytest.mark.parametrize("line", [*REFUSED, *ACCEPTED])
def test_the_real_parser_says_the_same(real: Any, capsys: pytest.CaptureFixture[str], line: str) -> None:
    parser, _, ours = real
    parsed = parse(ours, line.split())
    try:
        space = parser.parse_args(["serve", *line.split()])
    except SystemExit:
        said = capsys.readouterr().err
        assert line in REFUSED
        assert any(fault.sentence in re.sub(r" at 0x[0-9a-f]+", "", said) for fault in parsed.refused), said
    else:
        assert line in ACCEPTED
        assert (parsed.refused, parsed.model) == ((), space.model_tag)
