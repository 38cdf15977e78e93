"""What an engine's arguments mean, whatever they are called."""

from __future__ import annotations

import pytest

from glmprov.engines.meaning import engine_of, engines
from glmprov.recipe import Launch


def test_an_abbreviation_means_what_the_engine_takes_it_for() -> None:
    launch = Launch("sglang", "0.5.9", arguments={"tp": "4", "dp": "2"})
    assert engine_of(launch).number(launch, "tensor_parallel") == 4
    assert engine_of(launch).number(launch, "data_parallel") == 2
    assert engine_of(launch).number(launch, "pipeline_parallel") == 1


def test_a_model_is_given_by_name_or_without_one() -> None:
    named = Launch("vllm", "0.33.0", arguments={"model": "a/b"})
    alone = Launch("vllm", "0.33.0", arguments={"": "a/b"})
    assert {engine_of(launch).given(launch, "model") for launch in (named, alone)} == {"a/b"}


def test_an_image_of_its_own_takes_no_arguments() -> None:
    assert engines()["image"].written("port") is None


@pytest.mark.parametrize("name", sorted(engines()))
def test_no_argument_means_two_things(name: str) -> None:
    names = [each for meant in engines()[name].arguments.values() for each in meant]
    assert len(names) == len(set(names))
