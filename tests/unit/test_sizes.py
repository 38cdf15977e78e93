"""Bytes, for people."""

from __future__ import annotations

import pytest

from glmprov.sizes import in_words


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (13_811_973, "13.8 MB"),
        (361_000_000_000, "361 GB"),
        (999_700_000, "1.0 GB"),
        (1.2e18, "1200000 TB"),
    ],
)
def test_decimal_units(size: float, words: str) -> None:
    assert in_words(size) == words
