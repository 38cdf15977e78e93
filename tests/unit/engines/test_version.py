"""Ranges of releases."""

from __future__ import annotations

import pytest

from glmprov.engines.version import in_range, is_release
from glmprov.errors import CatalogueError


@pytest.mark.parametrize(
    ("version", "range_", "wanted"),
    [
        ("0.16.0", "<=0.23.0", True),
        ("0.5.5.post3", "<0.5.9", True),
        ("0.5.5.post3", ">0.5.5", True),
        ("0.16.1rc1", ">0.16.0, <0.16.1", True),
        ("0.32.0", ">0.23.0, <0.32.0", False),
        ("0.33", ">=0.33.0", True),
        ("580.95.05", "<580.105.08", True),
        ("595.58.03", ">=590", True),
        ("0.9.0", "any", True),
    ],
)
def test_a_version_is_in_a_range_or_not(version: str, range_: str, wanted: bool) -> None:
    assert in_range(version, range_) is wanted


def test_what_has_no_order_is_no_release() -> None:
    assert [is_release(each) for each in ("0.5.9", "v0.5.9", "main", "")] == [True, True, False, False]
    with pytest.raises(CatalogueError):
        in_range("0.5.9", "=>0.5")
