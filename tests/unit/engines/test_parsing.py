"""An argument list is read as the engine's own parser reads it."""

from __future__ import annotations

import shlex

import pytest

from glmprov.engines.faults import Fault, Kind, Parsed
from glmprov.engines.flags import catalogue
from glmprov.engines.parsing import parse

VLLM = ("0.11.2", "0.16.0", "0.23.0", "0.32.0", "0.33.0")
SGLANG = ("0.5.5.post3", "0.5.9", "0.5.14", "0.5.23")


def sglang(version: str, line: str, command: str = "python -m sglang.launch_server") -> Parsed:
    return parse(catalogue("sglang", version), ["--model-path", "m", *shlex.split(line)], command=command)


def vllm(version: str, line: str, command: str = "vllm serve") -> Parsed:
    return parse(catalogue("vllm", version), shlex.split(line), command=command)


def only(parsed: Parsed, kind: Kind) -> Fault:
    found = [fault for fault in parsed.faults if fault.kind is kind]
    assert len(found) == 1, parsed.faults
    return found[0]


def test_the_flag_that_left_sglang_is_ambiguous_in_the_words_of_its_parser() -> None:
    fault = only(sglang("0.5.23", "--cuda-graph-max-bs 8 --port 1"), Kind.AMBIGUOUS)
    assert fault.refuses
    assert fault.index == 2
    assert fault.sentence == (
        "ambiguous option: --cuda-graph-max-bs could match --cuda-graph-max-bs-decode, --cuda-graph-max-bs-prefill"
    )


def test_the_value_of_an_ambiguous_flag_is_not_a_fault_of_its_own() -> None:
    parsed = sglang("0.5.23", "--cuda-graph-max-bs 8 --port 1")
    assert parsed.refused == (only(parsed, Kind.AMBIGUOUS),)
    assert parsed.value_of("--port") == "1"


def test_one_release_before_it_was_a_deprecated_alias() -> None:
    parsed = sglang("0.5.14", "--cuda-graph-max-bs 8")
    assert only(parsed, Kind.DEPRECATED).nearest == "--cuda-graph-max-bs-decode"
    assert parsed.refused == ()
    assert parsed.value_of("--cuda-graph-max-bs-decode") == parsed.value_of("cuda_graph_max_bs_decode") == "8"


@pytest.mark.parametrize("version", ["0.5.5.post3", "0.5.9"])
def test_and_before_that_a_flag_like_any_other(version: str) -> None:
    assert sglang(version, "--cuda-graph-max-bs 8").faults == ()


@pytest.mark.parametrize("version", SGLANG)
def test_tp_and_dp_are_abbreviations_in_sglang(version: str) -> None:
    parsed = sglang(version, "--tp 4 --dp=2")
    assert [fault.nearest for fault in parsed.faults] == ["--tp-size", "--dp-size"]
    assert {fault.kind for fault in parsed.faults} == {Kind.ABBREVIATED}
    assert parsed.refused == ()
    assert (parsed.value_of("--tensor-parallel-size"), parsed.value_of("--data-parallel-size")) == ("4", "2")


@pytest.mark.parametrize("version", VLLM)
def test_short_names_of_vllm_are_names(version: str) -> None:
    parsed = vllm(version, "m -tp 4 -q fp8 -qfp8 -pp=2")
    assert [fault.kind for fault in parsed.faults] == [Kind.OVERRIDDEN]
    assert parsed.value_of("--tensor-parallel-size") == "4"
    assert parsed.value_of("--quantization") == "fp8"
    assert parsed.value_of("pipeline_parallel_size") == "2"


@pytest.mark.parametrize("version", VLLM)
def test_vllm_takes_a_unique_beginning(version: str) -> None:
    parsed = vllm(version, "m --tensor-parallel 4")
    assert only(parsed, Kind.ABBREVIATED).nearest == "--tensor-parallel-size"
    assert parsed.value_of("tensor_parallel_size") == "4"


def test_underscores_are_dashes_in_the_names_of_vllm_only() -> None:
    parsed = vllm("0.33.0", "m --kv_cache_dtype=fp8_e5m2 --max_model_len 32k")
    assert parsed.faults == ()
    assert parsed.value_of("--kv-cache-dtype") == "fp8_e5m2"
    assert (
        only(sglang("0.5.9", "--mem_fraction_static 0.88"), Kind.UNKNOWN).nearest == "--mem-fraction-static"
    )


@pytest.mark.parametrize(
    ("typed", "refused"),
    [("32k", False), ("32K", False), ("25.6k", False), ("32768", False), ("32kb", True), ("1.5K", True)],
)
def test_lengths_may_be_written_for_people(typed: str, refused: bool) -> None:
    parsed = vllm("0.33.0", f"m --max-model-len {typed}")
    assert bool(parsed.refused) is refused


def test_auto_is_a_length_since_0_16() -> None:
    assert vllm("0.11.2", "m --max-model-len auto").refused
    assert not vllm("0.16.0", "m --max-model-len auto").refused


def test_json_keys_given_one_by_one_become_a_document() -> None:
    parsed = vllm("0.33.0", "m --speculative-config.method mtp --speculative-config.num_speculative_tokens=1")
    assert parsed.faults == ()
    assert parsed.value_of("--speculative-config") == '{"method": "mtp", "num_speculative_tokens": 1}'
    assert parsed.given[0].index == 1


def test_broken_json_is_refused() -> None:
    parsed = vllm("0.33.0", "m --speculative-config '{method: mtp}'")
    assert only(parsed, Kind.BAD_TYPE).refuses


def test_a_negated_flag_is_false_and_the_last_one_wins() -> None:
    parsed = vllm("0.33.0", "m --enable-prefix-caching --no-enable-prefix-caching")
    assert parsed.value_of("--enable-prefix-caching") is False
    assert only(parsed, Kind.OVERRIDDEN).index == 1


def test_disable_is_the_negative_of_enable_since_0_33() -> None:
    assert vllm("0.33.0", "m --disable-prefix-caching").value_of("enable_prefix_caching") is False
    assert vllm("0.23.0", "m --disable-prefix-caching").refused


def test_a_flag_without_value_ignores_none() -> None:
    fault = only(sglang("0.5.9", "--enable-torch-compile=true"), Kind.UNEXPECTED_VALUE)
    assert fault.sentence == "argument --enable-torch-compile: ignored explicit argument 'true'"


def test_the_last_value_wins_and_the_defeated_one_is_named() -> None:
    parsed = sglang("0.5.9", "--port 1 --host a --port=2")
    fault = only(parsed, Kind.OVERRIDDEN)
    assert (fault.index, fault.refuses) == (2, False)
    assert parsed.value_of("--port") == "2"


def test_a_deprecated_name_and_its_successor_write_one_destination() -> None:
    parsed = sglang("0.5.14", "--cuda-graph-max-bs-decode 8 --cuda-graph-max-bs 16")
    assert only(parsed, Kind.OVERRIDDEN).typed == "--cuda-graph-max-bs-decode"
    assert parsed.value_of("cuda_graph_max_bs_decode") == "16"


def test_a_negative_number_is_a_value() -> None:
    assert sglang("0.5.9", "--chunked-prefill-size -1").value_of("chunked_prefill_size") == "-1"


def test_a_missing_value_before_the_next_flag() -> None:
    fault = only(sglang("0.5.9", "--port --host a"), Kind.MISSING_VALUE)
    assert fault.sentence == "argument --port: expected one argument"


def test_several_values_end_at_the_next_flag() -> None:
    parsed = sglang("0.5.9", "--cuda-graph-bs 1 2 4 --port 1")
    assert parsed.value_of("--cuda-graph-bs") == ("1", "2", "4")
    assert only(sglang("0.5.9", "--cuda-graph-bs"), Kind.MISSING_VALUE).sentence.endswith(
        "expected at least one argument"
    )


def test_an_unknown_flag_is_named_with_its_value_and_the_nearest_one() -> None:
    parsed = sglang("0.5.23", "--mem-fraction-statics 0.88")
    fault = only(parsed, Kind.UNKNOWN)
    assert fault.sentence == "unrecognized arguments: --mem-fraction-statics 0.88"
    assert fault.nearest == "--mem-fraction-static"


@pytest.mark.parametrize("name", ["--swap-space 4", "--disable-log-requests"])
def test_what_vllm_dropped(name: str) -> None:
    assert not vllm("0.16.0", f"m {name}").refused
    assert vllm("0.23.0", f"m {name}").refused


def test_choices_are_refused_where_the_parser_checks_them() -> None:
    fault = only(sglang("0.5.9", "--quantization fp88"), Kind.BAD_CHOICE)
    assert fault.refuses
    assert fault.nearest == "fp8"
    assert fault.sentence.startswith(
        "argument --quantization: invalid choice: 'fp88' (choose from 'awq', 'fp8', "
    )


def test_choices_are_only_doubted_where_it_does_not() -> None:
    fault = only(vllm("0.33.0", "m --quantization fp88"), Kind.BAD_CHOICE)
    assert not fault.refuses
    assert not vllm("0.33.0", "m --attention-backend flash_attn").faults


def test_numbers_are_compared_as_numbers_with_choices() -> None:
    assert not sglang("0.5.9", "--log-requests-level 02").faults
    assert (
        "(choose from 0, 1, 2, 3)"
        in only(sglang("0.5.9", "--log-requests-level 9"), Kind.BAD_CHOICE).sentence
    )


def test_a_wrong_type_is_said_in_argparses_words() -> None:
    assert (
        only(sglang("0.5.9", "--port x"), Kind.BAD_TYPE).sentence == "argument --port: invalid int value: 'x'"
    )


def test_the_model_of_vllm_serve_comes_without_a_flag() -> None:
    assert vllm("0.33.0", "--port 1 m -tp 4").model == "m"
    assert vllm("0.33.0", "-tp 4 --model=m").model == "m"
    assert vllm("0.33.0", "m").faults == ()


def test_naming_the_model_by_a_flag_is_deprecated_in_vllm_serve_only() -> None:
    fault = only(vllm("0.11.2", "-tp 4 --model m"), Kind.DEPRECATED)
    assert (fault.index, fault.refuses) == (2, False)
    assert vllm("0.11.2", "--model m", "python -m vllm.entrypoints.openai.api_server").faults == ()
    assert vllm("0.11.2", "m --model n").refused


def test_a_flag_of_many_values_swallows_the_model() -> None:
    parsed = vllm("0.33.0", "--api-key k m")
    assert parsed.model is None
    assert parsed.value_of("--api-key") == ("k", "m")


def test_two_models_are_one_too_many() -> None:
    assert only(vllm("0.33.0", "m n"), Kind.UNKNOWN).sentence == "unrecognized arguments: n"


def test_the_old_entry_point_of_vllm_serves_what_the_flag_says() -> None:
    command = "python -m vllm.entrypoints.openai.api_server"
    parsed = vllm("0.16.0", "n --model m", command)
    assert parsed.model == "m"
    assert only(parsed, Kind.IGNORED).typed == "n"


def test_sglang_takes_the_model_without_a_flag_only_at_the_front_and_only_lately() -> None:
    new = catalogue("sglang", "0.5.23")
    assert parse(new, ["m", "--port", "1"], command="sglang serve").model == "m"
    assert parse(new, ["--port", "1", "m"], command="sglang serve").refused
    assert parse(catalogue("sglang", "0.5.9"), ["m"], command="sglang serve").refused


def test_sglang_serve_takes_a_flag_of_its_own() -> None:
    assert not sglang("0.5.23", "--model-type llm --port 1", "sglang serve").faults
    assert sglang("0.5.23", "--model-type llm").refused


def test_a_required_flag_is_missed() -> None:
    parsed = parse(catalogue("sglang", "0.5.9"), ["--port", "1"])
    assert (
        only(parsed, Kind.REQUIRED).sentence == "the following arguments are required: --model-path/--model"
    )
    assert not parse(catalogue("sglang", "0.5.9"), ["--config", "c.yaml"]).refused


@pytest.mark.parametrize("written", ["-O3", "-O=3", "-O 3"])
@pytest.mark.parametrize("version", ["0.16.0", "0.23.0", "0.32.0", "0.33.0"])
def test_the_level_of_optimization(version: str, written: str) -> None:
    parsed = vllm(version, f"m {written}")
    assert parsed.faults == ()
    assert parsed.value_of("--optimization-level") == "3"


def test_the_level_was_a_key_of_the_compilation_once() -> None:
    parsed = vllm("0.11.2", "m -O3")
    assert parsed.value_of("--compilation-config") == '{"mode": 3}'


def test_every_fault_is_found_in_one_go() -> None:
    parsed = sglang("0.5.23", "--cuda-graph-max-bs 8 --port x --nope --quantization fp88 --host")
    assert [fault.kind for fault in parsed.refused] == [
        Kind.AMBIGUOUS, Kind.BAD_TYPE, Kind.UNKNOWN, Kind.BAD_CHOICE, Kind.MISSING_VALUE
    ]  # fmt: skip


def test_what_follows_two_dashes_is_no_flag() -> None:
    assert vllm("0.33.0", "-- m").model == "m"
    assert only(vllm("0.33.0", "m -- --port"), Kind.UNKNOWN).sentence == "unrecognized arguments: --port"
