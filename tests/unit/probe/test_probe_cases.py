"""Each text under tests/cases/probe/FUNCTION/ is understood as the JSON beside it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from glmprov.probe import parse_driver, parse_ours, texts

CASES = Path(__file__).parents[2] / "cases" / "probe"
FUNCTIONS = {**vars(texts), **vars(parse_driver), **vars(parse_ours)}


@pytest.mark.parametrize(
    "case", sorted(CASES.glob("*/*.in")), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_case(case: Path) -> None:
    understood = FUNCTIONS[case.parent.name](case.read_text())
    expected = json.loads(case.with_suffix(".json").read_text())
    plain = sorted(understood) if isinstance(understood, set) else understood
    assert json.loads(json.dumps(plain)) == expected
