"""The failure behind a log: every case under tests/cases/failures is an engine's log with what it means."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from glmprov.engines.failures import diagnosis, failures, hints

CASES = Path(__file__).parents[2] / "cases/failures"


@pytest.mark.parametrize("path", sorted(CASES.glob("*.log")), ids=lambda path: path.stem)
def test_a_log_is_understood(path: Path) -> None:
    head, _, log = path.read_text().partition("\n")
    engine, expected, line = re.fullmatch(r"# (\w+): (\S+) \| (.*)", head).groups()  # type: ignore[union-attr]
    found = diagnosis(log, engine)
    if expected == "nothing":
        assert found is None
        return
    assert found is not None
    assert (found.failure.id if found.failure else "unknown") == expected
    assert line in found.line


def test_what_is_known_is_complete_and_distinct() -> None:
    known = (*failures(), *hints())
    assert len({each.id for each in known}) == len(known)
    for each in known:
        assert each.cause and each.fix and each.source
        for pattern in each.patterns:
            re.compile(pattern)


def test_no_pattern_is_shadowed_by_an_earlier_failures() -> None:
    """The particular stands before the general: CUDA's own words come last of what ends a start."""
    ids = [each.id for each in failures()]
    assert ids.index("sampler-out-of-memory") < ids.index("out-of-memory")
    assert ids.index("nccl-calloc") < ids.index("out-of-memory")


def test_an_engines_own_failure_is_not_looked_for_in_another() -> None:
    line = "ValueError: fp8_e5m2 kv-cache is not supported with fp8 checkpoints."
    assert diagnosis(line, "vllm").failure.id == "kv-e5m2-on-fp8"  # type: ignore[union-attr]
    assert diagnosis(line, "sglang").failure is None  # type: ignore[union-attr]
    assert diagnosis(line, "image").failure.id == "kv-e5m2-on-fp8"  # type: ignore[union-attr]
