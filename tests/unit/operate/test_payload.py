"""The programs that hosts run: whole, and readable for the oldest Python that we support."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from glmprov.operate.docker import CONTAINERS, IMAGES
from glmprov.operate.payload import program
from glmprov.operate.swap import PARTS as SWAP
from glmprov.operate.weights import WEIGHTS
from glmprov.probe.round_trip import OLDEST_PYTHON

PROGRAMS = [
    IMAGES,
    CONTAINERS,
    (*IMAGES, "fetching", "registry"),
    ("fetching", "hub"),
    ("fetching", "hub", *WEIGHTS, "downloading"),
    (*WEIGHTS, "handing"),
    ("serving",),
    ("service",),
    ("draining",),
    ("cards",),
    SWAP,
]
NEWER_METHODS = {"removeprefix", "removesuffix", "pidfd_open", "is_relative_to"}


@pytest.mark.parametrize("parts", PROGRAMS, ids="+".join)
def test_a_program_is_for_the_oldest_python(parts: tuple[str, ...]) -> None:
    tree = ast.parse(program(parts, "act", {"text": "it's\n\\ \u2028 é"}), feature_version=OLDEST_PYTHON)
    assert not {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & NEWER_METHODS
    ours = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and "glmprov" in (node.module or "")
    ]
    assert ours == []
    names = [node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    assert len(names) == len(set(names)), "one part takes another's name"


@pytest.mark.parametrize("goes_on", [False, True])
def test_without_a_listener_only_what_must_not_stay_half_done_goes_to_its_end(
    tmp_path: Path, goes_on: bool
) -> None:
    act = f"""
def act(orders):
    goes_on[0] = {goes_on}
    for _ in range(20):
        tell({{"progress": 1}})
        time.sleep(0.02)
    open(orders["file"], "w").close()
"""
    head, _, call = program((), "act", {"file": str(tmp_path / "done")}).decode().rpartition("\nanswer(")
    running = subprocess.Popen(
        [sys.executable, "-SIc", f"{head}\n{act}\nanswer({call}"], stdout=subprocess.PIPE
    )
    assert running.stdout is not None
    running.stdout.close()
    assert running.wait(30) == (0 if goes_on else 1)
    assert (tmp_path / "done").exists() == goes_on
