"""Where an engine's start is, by its log."""

from __future__ import annotations

import re

import pytest

from glmprov.engines.stages import stages


def stage_of(engine: str, line: str) -> tuple[str, str | None] | None:
    for stage in stages(engine):
        found = re.search(stage.pattern, line)
        if found:
            return stage.name, found.groupdict().get("percent")
    return None


@pytest.mark.parametrize(
    ("engine", "line", "stage"),
    [
        ("vllm", "Loading safetensors checkpoint shards:  42% Completed | 39/93", ("loading weights", "42")),
        ("vllm", "(Worker_TP0 pid=9) INFO [x.py:1] Starting to load model /models/x...", ("loading weights", None)),
        ("vllm", "(Worker_TP0 pid=9) INFO [x.py:1] torch.compile takes 31.2 s in total", ("compiling", None)),
        ("vllm", "Capturing CUDA graphs (decode, FULL):  75%|███████▌  | 6/8", ("capturing graphs", "75")),
        ("vllm", "INFO:     Application startup complete.", ("serving", None)),
        ("sglang", "[2026-02-01 10:00:00 TP0] Load weight begin. avail mem=93.00 GB", ("loading weights", None)),
        ("sglang", "Capturing batches (bs=8 avail_mem=3.2 GB):  50%|█████     | 2/4", ("capturing graphs", "50")),
        ("sglang", "The server is fired up and ready to roll!", ("serving", None)),
        ("image", "The server is fired up and ready to roll!", ("serving", None)),
        ("sglang", "INFO:     127.0.0.1:1 - \"GET /health HTTP/1.1\" 200 OK", None),
    ],
)  # fmt: skip
def test_a_line_tells_its_stage(engine: str, line: str, stage: tuple[str, str | None] | None) -> None:
    assert stage_of(engine, line) == stage
