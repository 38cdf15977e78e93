"""The lint as a whole: three answers, who silences whom, and what no input may break."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.lint.cases import found, launch_of, recipe_of, target_of

from glmprov.lint import LEVELS, Finding, lint, rules
from glmprov.lint.conditions import passes
from glmprov.lint.finding import NO, YES, Answer, all_of, any_of, opposite, unknown
from glmprov.lint.release import judged_by

ANSWERS = st.sampled_from([YES, NO, unknown("for a reason")])


def by_rule(findings: tuple[Finding, ...]) -> Mapping[str, Finding]:
    return {finding.rule: finding for finding in findings}


@given(st.lists(ANSWERS, max_size=5))
def test_no_decides_all_and_yes_decides_any(answers: list[Answer]) -> None:
    holds = [each.holds for each in answers]
    wanted_all = False if False in holds else None if None in holds else True
    wanted_any = True if True in holds else None if None in holds else False
    assert all_of(answers).holds is wanted_all and any_of(answers).holds is wanted_any
    assert all_of(map(opposite, answers)).holds is opposite(any_of(answers)).holds


@pytest.mark.parametrize(
    ("value", "test", "wanted"),
    [
        (None, "absent", True),
        (None, "given", False),
        (None, "*", False),
        ("8", "8", True),
        ("8", ">= 8", True),
        ("0.95", ">0.93", True),
        ("many", ">0", False),
        ("fp8_e5m2", "fp8*", True),
        (("a=1", "b=2"), "b=*", True),
        (True, True, True),
        ("true", True, False),
        (None, ["absent", ">=1024"], True),
        ("16", ["absent", ">=1024"], False),
    ],
)
def test_how_a_value_is_tested(value: object, test: object, wanted: bool) -> None:
    assert passes(value, test) is wanted


def test_the_worst_comes_first() -> None:
    levels = [LEVELS.index(each.level) for each in found({"version": "0.5.9", "arguments": {"tp-size": "4"}})]
    assert levels == sorted(levels) and len(set(levels)) > 2


def test_a_rule_silences_what_says_less_about_the_same_place_only() -> None:
    said = by_rule(found({"version": "0.5.23", "arguments": {"cuda-graph-max-bs": "8", "enable-m": True}}))
    assert "cuda-graph-max-bs-gone" in said
    assert said["flag-ambiguous"].place == "arguments.enable-m"


def test_an_image_with_its_own_launcher_leaves_open_what_depends_on_arguments_or_a_release() -> None:
    case = {"engine": "image", "version": "", "image": "voipmonitor/sglang:cu130"}
    said = by_rule(found(case))
    assert said["kv-e5m2"].level == "unknown" and "own launcher" in said["kv-e5m2"].sentence
    assert said["release-unknown"].level == "note"
    assert "fused-moe-default-tile" in said and said["fused-moe-default-tile"].level == "unknown"
    # What needs neither is judged all the same.
    case |= {"environment": {"NCCL_SHM_DISABLE": "1"}}
    assert by_rule(found(case))["nccl-shm-disabled"].level == "warn"


def test_a_release_that_nobody_knows_leaves_open_only_rules_about_releases() -> None:
    said = by_rule(found({"version": "", "arguments": {"quantization": "fp8", "cuda-graph-max-bs": "8"}}))
    assert said["quantization-fp8-on-compressed-tensors"].level == "refuse"
    assert said["cuda-graph-max-bs-gone"].level == "unknown"


def test_a_finding_names_the_argument_as_it_is_written() -> None:
    said = by_rule(found({"arguments": {"tp": "4", "dp": "2"}}))
    assert said["gpus-too-few"].place == "arguments.dp"


def test_a_contested_rule_gives_both_sides() -> None:
    said = by_rule(found({"arguments": {"model-path": "nvidia/GLM-4.7-NVFP4"}}))["nvfp4-on-sm120"]
    assert len(said.sides) >= 2 and {side.value for side in said.sides} >= {49, 60}
    assert all(side.author and side.date and side.hardware and side.source for side in said.sides)


NAMES = st.sampled_from(
    ["tp-size", "dp", "ep-size", "max-running-requests", "context-length", "speculative-algorithm", "quantization",
     "tensor-parallel-size", "max-model-len", "gpu-memory-utilization", "mem-fraction-static", "kv-cache-dtype", "x"]
)  # fmt: skip
VALUES = st.one_of(st.text(max_size=6), st.just(True), st.integers(-2, 10**9).map(str))


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["vllm", "sglang", "image"]),
    st.sampled_from(["", "main", "0.5.9", "0.5.14", "0.33.0", "99.0rc1"]),
    st.dictionaries(NAMES, VALUES, max_size=4),
    st.dictionaries(
        st.sampled_from(["NCCL_P2P_LEVEL", "NCCL_BUFFSIZE", "NCCL_MAX_NCHANNELS"]), st.text(max_size=5)
    ),
    st.one_of(st.none(), st.integers(0, 9)),
)
def test_no_launch_breaks_the_lint(
    engine: str,
    version: str,
    arguments: Mapping[str, object],
    environment: Mapping[str, str],
    gpus: int | None,
) -> None:
    case = {
        "engine": engine, "version": version, "arguments": {} if engine == "image" else arguments,
        "environment": environment, "gpus": gpus,
    }  # fmt: skip
    launch = launch_of(case)
    for each in lint(launch, recipe_of(case, launch), target_of(case, launch), judged_by(launch)):
        assert each.rule in rules() and each.level in LEVELS and each.sentence


def test_a_share_of_memory_without_a_number_is_the_parsers_to_tell_and_breaks_nothing() -> None:
    said = by_rule(
        found({"engine": "vllm", "version": "0.33.0", "arguments": {"gpu-memory-utilization": True}})
    )
    assert "gpu-memory-utilization" in said["flag-value"].sentence
    assert "does-not-fit" not in said
