"""Faults of registry, hub and engines, as `glmprov lab fault` writes them down."""

from __future__ import annotations

from pathlib import Path

import pytest

from glmprov.errors import LabError
from glmprov.lab import faults, service_faults
from glmprov.lab.service_faults import ServiceFaults


@pytest.mark.parametrize(
    ("kind", "word", "so"),
    [
        ("registry", "down", ServiceFaults(registry_down=True)),
        ("slow-registry", "30", ServiceFaults(registry_slow_ms=30)),
        ("wrong-digest", "on", ServiceFaults(wrong_digest=True)),
        ("moved-tag", "on", ServiceFaults(moved_tag=True)),
        ("hub", "down", ServiceFaults(hub_down=True)),
        ("slow-hub", "7", ServiceFaults(hub_slow_ms=7)),
        ("truncated-weights", "on", ServiceFaults(truncated_weights=True)),
        ("wrong-sha", "on", ServiceFaults(wrong_sha=True)),
    ],
)
def test_a_fault_is_made_and_mended(tmp_path: Path, kind: str, word: str, so: ServiceFaults) -> None:
    file = tmp_path / "10.77.0.11.json"
    assert service_faults.change(file, kind, [word])
    assert service_faults.load(file) == so
    service_faults.change(file, kind, ["off"])
    assert service_faults.load(file) == ServiceFaults()
    with pytest.raises(LabError, match=service_faults.KINDS[kind].partition(":")[0].replace("|", r"\|")):
        service_faults.change(file, kind, ["perhaps"])


def test_every_kind_has_a_case() -> None:
    (cases,) = (mark.args[1] for mark in test_a_fault_is_made_and_mended.pytestmark)  # type: ignore[attr-defined]
    assert {case[0] for case in cases} == set(service_faults.KINDS)


@pytest.mark.parametrize(
    "words", ["crash-at-load", "slow-start 2.5", "dies-later 4 for vllm", "orphan for --port"]
)
def test_an_engines_fault_is_written_as_it_was_said(tmp_path: Path, words: str) -> None:
    faults.inject(tmp_path, "engine", words.split())
    assert (tmp_path / "faults/engine").read_text() == words + "\n"
    faults.inject(tmp_path, "engine", ["off"])
    assert not (tmp_path / "faults/engine").exists()


@pytest.mark.parametrize("words", ["", "gremlins", "slow-start soon", "crash-at-load 1 2", "for vllm"])
def test_an_engines_fault_that_makes_no_sense_is_refused(tmp_path: Path, words: str) -> None:
    with pytest.raises(LabError):
        faults.inject(tmp_path, "engine", words.split())
