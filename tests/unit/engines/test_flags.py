"""Catalogues are found by version, and an unlisted version by the one before it."""

from __future__ import annotations

import pytest

from glmprov.engines.flags import age, catalogue, nearest, versions
from glmprov.errors import CatalogueError, ExitCode


def test_versions_are_listed_by_age() -> None:
    assert versions("sglang") == ("0.5.5.post3", "0.5.9", "0.5.14", "0.5.23")
    assert versions("vllm") == ("0.11.2", "0.16.0", "0.23.0", "0.32.0", "0.33.0")


def test_post_releases_are_newer_and_candidates_older() -> None:
    assert (
        age("0.5.5") < age("0.5.5.post3") < age("0.5.6") < age("0.5.9rc1") < age("0.5.9") == age("v0.5.9+cpu")
    )


@pytest.mark.parametrize(
    ("engine", "version", "expected"),
    [
        ("vllm", "0.24.1", "0.23.0"), ("vllm", "0.33.0", "0.33.0"), ("vllm", "0.33.0rc1", "0.32.0"),
        ("vllm", "0.32.0+cpu", "0.32.0"), ("vllm", "1.0", "0.33.0"), ("vllm", "0.1", "0.11.2"),
        ("sglang", "0.5.5", "0.5.5.post3"), ("sglang", "0.5.10", "0.5.9"),
    ],
)  # fmt: skip
def test_the_nearest_is_the_last_that_is_not_newer_or_else_the_oldest(
    engine: str, version: str, expected: str
) -> None:
    assert nearest(engine, version) == expected


def test_a_version_that_is_not_listed_is_an_error_with_the_nearest() -> None:
    with pytest.raises(CatalogueError) as caught:
        catalogue("vllm", "0.24.1")
    assert caught.value.exit_code is ExitCode.USAGE
    assert "nearest is 0.23.0" in str(caught.value.next_step)


@pytest.mark.parametrize(("engine", "version"), [("tgi", "1.0"), ("vllm", "latest")])
def test_what_is_no_engine_or_no_version_is_an_error(engine: str, version: str) -> None:
    with pytest.raises(CatalogueError):
        catalogue(engine, version)


def test_a_flag_is_found_by_spelling_and_by_destination_the_successor_first() -> None:
    found = catalogue("sglang", "0.5.14")
    assert found.flag("cuda_graph_max_bs_decode") is found.flag("--cuda-graph-max-bs-decode")
    assert found.flag("--cuda-graph-max-bs").deprecated
    assert found.flag("--no-such-flag") is None
    assert catalogue("vllm", "0.33.0").flag("--no-enable-prefix-caching").name == "--enable-prefix-caching"


def test_a_catalogue_is_read_once() -> None:
    assert catalogue("vllm", "0.33.0") is catalogue("vllm", "0.33.0")
