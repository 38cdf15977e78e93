"""The images of the fleet's registry: what goes into them, before anything is built."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from glmprov.lab import engine_images, image_layers, module_files


def test_the_parser_runs_where_nothing_else_of_ours_is(tmp_path: Path) -> None:
    for name, data in module_files.needed("glmprov.engines.parsing").items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    program = "import sys; sys.path.insert(0, sys.argv[1]); import glmprov.engines.parsing"
    subprocess.run([sys.executable, "-I", "-S", "-c", program, tmp_path], check=True, capture_output=True)


@pytest.mark.parametrize(
    "image", engine_images.images(), ids=lambda image: f"{image.repository}:{image.tags[0]}"
)
def test_every_image_says_what_it_plays_and_has_its_flags(image: engine_images.Image) -> None:
    content = engine_images.identity(image)
    told = json.loads(content[f"{engine_images.IDENTITY}/engine.json"])
    assert (told["engine"], told["version"], told["simulated"]) == (image.engine, image.version, True)
    assert len(json.loads(content[f"{engine_images.IDENTITY}/flags.json"])["flags"]) > 100
    shipped = [data for name, data in content.items() if "/configs/" in name]
    assert shipped and all(b"SIMULATED" in data for data in shipped)


def test_no_two_images_have_the_same_name() -> None:
    names = [f"{image.repository}:{tag}" for image in engine_images.images() for tag in image.tags]
    assert len(names) == len(set(names))


def test_a_layer_is_the_same_whenever_it_is_made() -> None:
    content = {"usr/local/bin/one": b"#!/bin/sh\n", "opt/two": b"2"}
    compressed, digest = image_layers.layer(content)
    assert image_layers.layer(dict(reversed(content.items()))) == (compressed, digest)
    with tarfile.open(fileobj=io.BytesIO(compressed)) as tar:
        modes = {member.name: member.mode for member in tar if member.isfile()}
        assert {member.mtime for member in tar} == {0}
    assert modes == {"usr/local/bin/one": 0o755, "opt/two": 0o644}
    assert digest == f"sha256:{hashlib.sha256(gzip.decompress(compressed)).hexdigest()}"
