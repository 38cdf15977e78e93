"""Who computes on a host's cards, also where the driver doesn't say."""

from __future__ import annotations

from typing import Any

import pytest

from glmprov.probe.answer import Answer
from glmprov.probe.parse_engine import serving
from glmprov.probe.parse_nvml import processes

CONTAINER = "c" * 64


def found(**parts: Any) -> tuple[str, ...]:
    answer = Answer(parts)
    return serving(answer, processes(answer))


@pytest.mark.parametrize(
    ("cgroup", "name"),
    [
        (f"0::/docker/{CONTAINER}", "container engine"),
        (f"0::/system.slice/docker-{CONTAINER}.scope", "container engine"),
        ("0::/system.slice/glm.service\n", "glm.service"),
        ("0::/user.slice/session-1.scope", "python3 (process 7)"),
    ],
)
def test_what_computes_is_named_by_its_container_unit_or_process(cgroup: str, name: str) -> None:
    gpu = {"Index": 0, "UUID": "GPU-1", "ComputeProcesses": [{"pid": 7, "usedGpuMemory": 1}]}
    listed = f'[{{"Id": "{CONTAINER}", "Names": ["/engine"]}}]'
    assert found(
        nvml={"gpus": [gpu]},
        processes={"7": {"comm": "python3", "cgroup": cgroup}},
        docker={"/containers/json": listed},
    ) == (name,)


@pytest.mark.parametrize(
    ("modules", "serves"),
    [
        ("nvidia_uvm 4096 3 - Live 0x0\nnvidia 8192 9 nvidia_uvm, Live 0x0\n", True),
        ("nvidia_uvm 4096 0 - Live 0x0\nnvidia 8192 9 nvidia_uvm, Live 0x0\n", False),
        ("ext4 4096 3 - Live 0x0\n", False),
        (None, False),
    ],
)
def test_a_driver_that_does_not_answer_may_serve_all_the_same(modules: str | None, serves: bool) -> None:
    """A library of another version cuts us off, and not those who began before."""
    assert bool(found(nvml={"error": "mismatch", "code": 18}, files={"/proc/modules": modules})) is serves
