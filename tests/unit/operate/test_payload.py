"""The programs that hosts run: whole, and readable for the oldest Python that we support."""

from __future__ import annotations

import ast

import pytest

from glmprov.operate.docker import CONTAINERS, IMAGES
from glmprov.operate.payload import program
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
