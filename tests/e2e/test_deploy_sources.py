"""A host without hub and registry: weights from another host or from here, an image from a file.

Turin is that host; genoa has the weights. The tests share the fleet and go in order.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from deployed import HUB, Service, as_it_is, deploy, deployed, removed
from glmprov_program import Ran, finish, run, start
from rehearsal import Fleet

pytestmark = pytest.mark.fleet

HOST, GIVER, RECIPE = "turin-8x", "genoa-4x", "recipe-3"
STORED = "/var/lib/glmprov/models/zai-org--GLM-4.7-FP8"


@pytest.fixture(scope="module")
def up(fleet: Fleet) -> Iterator[Fleet]:
    """The fleet for the whole run, provisioned; the giver serves, and the host has no hub."""
    run(fleet, "provision", "--yes", "--reboot").expect(0)
    removed(fleet)
    deploy(fleet, GIVER, RECIPE).expect(0)
    fleet.fault(HOST, "hub", "down")
    yield fleet
    for kind in ("hub", "registry"):
        fleet.fault(HOST, kind, "off")
    removed(fleet)


@pytest.fixture(scope="module")
def locked(up: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with recipe.lock, made by a host that has a hub."""
    folder = tmp_path_factory.mktemp("locked")
    how = {"environment": {"HF_ENDPOINT": HUB}}
    run(up, "recipe", "lock", RECIPE, "-l", GIVER, "-o", str(folder / "recipe.lock"), **how).expect(0)
    return folder


@pytest.fixture
def source(up: Fleet, tmp_path: Path) -> Path:
    """The model in a folder of this machine."""
    packed = up.nodes[GIVER].ssh(f"cd {STORED}/* && tar c --exclude='.*' * | base64 -w0")
    with tarfile.open(fileobj=BytesIO(base64.b64decode(packed))) as archive:
        archive.extractall(tmp_path / "GLM-4.7-FP8", filter="data")
    return tmp_path / "GLM-4.7-FP8"


@pytest.fixture
def service(up: Fleet) -> Service:
    return Service(up.nodes[HOST])


def from_lock(fleet: Fleet, locked: Path, *words: str) -> Ran:
    """Deploy on the host by recipe.lock, which lies in the current folder."""
    arguments = ("deploy", RECIPE, "--locked", "--yes", "-l", HOST, *words)
    return run(fleet, *arguments, prefix=("env", "-C", str(locked)))


def without_weights(service: Service) -> str:
    """Take the weights away under a service that goes on; return by what it is known."""
    service.node.ssh(f"rm -rf {STORED}")
    return service.identity


def test_without_a_hub_and_a_lock_the_way_is_told(up: Fleet) -> None:
    before = as_it_is(up.nodes[HOST])
    error = deployed(deploy(up, HOST, RECIPE, "--weights-from", GIVER, "--json").expect(1))["error"]
    assert "the hub can't be asked" in error["message"] and "nor is it told here" in error["message"]
    assert "make recipe.lock where a hub is reached" in error["next_step"]
    assert as_it_is(up.nodes[HOST]) == before


def test_weights_go_straight_from_host_to_host(up: Fleet, locked: Path, service: Service) -> None:
    found = deployed(from_lock(up, locked, "--weights-from", GIVER, "--json").expect(0))
    assert any(
        f"weights: 12 files, 3.1 MB, are copied from {GIVER}:{STORED}" in each for each in found["notes"]
    )
    assert any(
        f"12 files of zai-org/GLM-4.7-FP8 at 6b31c9b21e4e, from {GIVER}:" in each for each in found["fetched"]
    )
    service.answers()
    run(up, "audit", "-l", HOST).expect(0)
    # The giver's server ends as soon as it notices that nobody listens to it.
    up.nodes[GIVER].ssh("timeout 20 sh -c 'while pgrep -f \"[p]ython3 -SI\"; do sleep 0.2; done'")
    again = from_lock(up, locked, "--weights-from", GIVER, "--json").expect(0)
    assert deployed(again)["word"] == "UNCHANGED"


def test_a_giver_that_is_not_reached_is_told_while_the_old_service_goes_on(
    up: Fleet, locked: Path, service: Service
) -> None:
    before = without_weights(service)
    up.fault(GIVER, "unreachable", "on")
    try:
        error = deployed(from_lock(up, locked, "--weights-from", GIVER, "--json").expect(4))["error"]
    finally:
        up.fault(GIVER, "unreachable", "off")
    assert error["place"].startswith(f"weights from {GIVER}:{STORED}")
    assert service.identity == before
    service.answers()


@pytest.mark.parametrize("place", [f"{GIVER}:/srv/glm", "here"])
def test_another_model_is_refused_with_every_fault_while_the_old_service_goes_on(
    up: Fleet, locked: Path, service: Service, source: Path, place: str
) -> None:
    before = without_weights(service)
    (source / "config.json").write_text("{}")
    (source / "mtp.safetensors").unlink()
    up.nodes[GIVER].ssh("mkdir -p /srv/glm && echo '{}' > /srv/glm/config.json")
    where = str(source) if place == "here" else place
    error = deployed(from_lock(up, locked, "--weights-from", where, "--json").expect(1))["error"]
    assert "isn't zai-org/GLM-4.7-FP8 at 6b31c9b21e4e" in error["message"]
    assert re.search(r"config\.json has \d bytes", error["message"])
    assert "mtp.safetensors is missing" in error["message"] and where in error["place"]
    assert service.identity == before
    service.answers()


def test_a_wrong_byte_is_found_before_anything_is_stopped_and_taken_away_again(
    up: Fleet, locked: Path, service: Service, source: Path
) -> None:
    before = without_weights(service)
    with (source / "mtp.safetensors").open("r+b") as shard:
        shard.write(b"another")
    error = deployed(from_lock(up, locked, "--weights-from", str(source), "--json").expect(1))["error"]
    assert "not what the lock says by their sums: mtp.safetensors" in error["message"]
    assert "mtp.safetensors" not in service.node.ssh(f"ls {STORED}/*")
    assert service.identity == before
    service.answers()


def test_a_folder_on_the_host_that_lacks_files_is_not_filled(
    up: Fleet, locked: Path, service: Service
) -> None:
    before = service.identity
    service.node.ssh("mkdir -p /srv/part && echo '{}' > /srv/part/config.json")
    error = deployed(from_lock(up, locked, "--weights", "/srv/part", "--json").expect(1))["error"]
    assert "mtp.safetensors is missing" in error["message"] and "complete the folder" in error["next_step"]
    assert service.node.ssh("ls -A /srv/part") == "config.json" and service.identity == before


def test_a_copy_from_here_that_is_killed_goes_on_where_it_stopped(
    up: Fleet, locked: Path, service: Service, source: Path, tmp_path: Path
) -> None:
    before = without_weights(service)
    slow = tmp_path / "bin/rsync"  # a thin line: 3.1 MB at 150 kB/s
    slow.parent.mkdir()
    slow.write_text(f'#!/bin/sh\nexec {shutil.which("rsync")} --bwlimit=150 "$@"\n')
    slow.chmod(0o755)
    words = ("deploy", RECIPE, "--locked", "--yes", "-l", HOST, "--weights-from", str(source))
    environment = {"PATH": f"{slow.parent}:{os.environ['PATH']}"}
    running = start(up, *words, prefix=("env", "-C", str(locked)), environment=environment)
    assert running.stderr is not None
    for line in running.stderr:
        if "copying weights" in line:
            break
    # Its progress isn't read on: what counts is what lies on the host.
    service.node.ssh(f"timeout 60 sh -c 'until ls {STORED}/*/model-00001*; do sleep 0.1; done'")
    running.kill()
    finish(running)
    assert service.identity == before
    service.answers()

    found = deployed(from_lock(up, locked, "--weights-from", str(source), "--json").expect(0))
    (said,) = (each for each in found["notes"] if each.startswith("weights: "))
    assert re.match(rf"weights: [1-8] files, .*, are copied from {source} on this machine", said)
    assert found["word"] == "DEPLOYED"
    service.answers()
    run(up, "audit", "-l", HOST).expect(0)
    left = service.node.ssh(f"find {STORED} -name '*.part' -o -name '*partial*' -o ! -user root")
    assert left == ""


def test_an_image_from_a_file_is_the_locked_one_by_its_id(up: Fleet, locked: Path, service: Service) -> None:
    node = service.node
    reference = service.receipt["instance"]["image"]["reference"]
    image = node.ssh("docker inspect -f '{{.Image}}' glmprov-glm")
    node.ssh(f"docker tag {image} {reference} && docker save {reference} -o /root/image.tar")
    run(up, "remove", "glm", "--yes", "-l", HOST).expect(0)
    node.ssh("docker image prune --all --force")
    up.fault(HOST, "registry", "down")
    refused = deployed(from_lock(up, locked, "--json").expect(1))["error"]
    assert f"`docker save {reference}` on a host that has it, `docker load` here" in refused["next_step"]

    node.ssh("docker load -i /root/image.tar")
    assert node.ssh(f"docker image inspect -f '{{{{.RepoDigests}}}}' {reference}") == "[]"
    ran = from_lock(up, locked, "--json").expect(0)
    assert not any("image" in each for each in deployed(ran)["fetched"])
    assert service.receipt["expected"]["engine_image"]["reference"] == image
    service.answers()
    run(up, "audit", "-l", HOST).expect(0)
    before = service.identity
    assert deployed(from_lock(up, locked, "--json").expect(0))["word"] == "UNCHANGED"
    assert service.identity == before
