"""What an operator may write, and what is said of what they may not."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from glmprov.errors import ExitCode, InventoryError
from glmprov.settings import PLANNED, VARIABLES, from_variables

CASES = Path(__file__).parents[1] / "cases" / "settings"
GOOD = yaml.safe_load((CASES / "good.yml").read_text())
BAD = yaml.safe_load((CASES / "bad.yml").read_text())


@pytest.mark.parametrize("name", GOOD)
def test_what_is_written_is_understood(name: str) -> None:
    case = GOOD[name]
    assert from_variables("gpu-1", case["variables"]).written() == case["means"]


@pytest.mark.parametrize("name", BAD)
def test_every_fault_is_told_with_its_variable(name: str) -> None:
    case = BAD[name]
    with pytest.raises(InventoryError) as caught:
        from_variables("gpu-1", case["variables"], "lab.ini")
    lines = caught.value.message.splitlines()
    assert len(lines) == len(case["faults"])
    for fault in case["faults"]:
        assert any(fault in line for line in lines), lines
    assert (caught.value.host, caught.value.place) == ("gpu-1", "lab.ini")
    assert caught.value.exit_code is ExitCode.USAGE


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(st.sampled_from([*VARIABLES, *PLANNED, "ansible_host", "gpu_power_x"]), JUNK, max_size=6)
)
def test_junk_is_refused_by_name_or_taken(variables: dict[str, object]) -> None:
    try:
        settings = from_variables("gpu-1", variables)
    except InventoryError as error:
        assert all(line.partition(":")[0] in variables for line in error.message.splitlines())
    else:
        assert set(settings.written()) <= set(variables)


def test_a_long_value_is_cut_in_a_message() -> None:
    with pytest.raises(InventoryError) as caught:
        from_variables("gpu-1", {"gpu_driver_branch": "x" * 5000})
    assert len(caught.value.message) < 200


def test_what_the_plan_decides_is_ignored_and_told() -> None:
    assert from_variables("gpu-1", {"nccl_env_reasons": {"A": "b"}}).ignored == ("nccl_env_reasons",)
