"""What can't be deployed: one clear message, the right exit code, and the service that serves goes on untouched."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest
from deployed import HUB, Service, deploy, removed
from glmprov_program import Ran, start
from rehearsal import Fleet

pytestmark = pytest.mark.fleet

HOST = "genoa-4x"
OLD, NEW, NEW_IMAGE = "recipe-3", "recipe-1", "lmsysorg/sglang:v0.5.14"
ELSEWHERE = ("-e", "glmprov_model_root=/srv/elsewhere")
"""Another folder for weights, in which there are none yet."""


@pytest.fixture(scope="module")
def up(provisioned: Fleet) -> Iterator[Fleet]:
    """The fleet for the whole run, provisioned, with the old service; without instances afterwards."""
    removed(provisioned)
    deploy(provisioned, HOST, OLD).expect(0)
    yield provisioned
    Service(provisioned.nodes[HOST]).answers()
    removed(provisioned)


@pytest.fixture(autouse=True)
def service(up: Fleet) -> Iterator[Service]:
    """The old service: it goes on through every case, and its files stay as they are."""
    service = Service(up.nodes[HOST])
    look = (
        "find /etc/systemd/system /etc/glmprov /var/lib/glmprov/instances -type f -printf '%p %T@\\n' | sort"
    )
    before, files = service.identity, service.node.ssh(look)
    yield service
    service.node.ssh("rm -rf /srv/elsewhere")
    assert (service.identity, service.node.ssh(look)) == (before, files)


@pytest.fixture
def faulty(up: Fleet) -> Iterator[Callable[..., None]]:
    """A function that makes a fault of the node, mended at the end."""
    kinds: list[str] = []

    def fault(kind: str, word: str) -> None:
        kinds.append(kind)
        up.fault(HOST, kind, word)

    yield fault
    for kind in kinds:
        up.fault(HOST, kind, "off")


def refused(ran: Ran, code: int, *words: str) -> None:
    """Hold a run to its exit code, and what a person reads to words."""
    ran.expect(code)
    told = " ".join((ran.out + ran.err).split())
    for word in words:
        assert word in told, f"{word!r} isn't in\n{ran.out}\n{ran.err}"


def test_an_unknown_recipe_and_the_nearest_one(up: Fleet) -> None:
    refused(deploy(up, HOST, "recipe-33"), 2, "recipe-33", "did you mean recipe-3")


def test_a_recipe_that_is_no_yaml(up: Fleet, tmp_path: Path) -> None:
    (tmp_path / "own.yml").write_text("name: own\nalias: [own\ntitle: x\n")
    refused(deploy(up, HOST, "own", "--recipes", str(tmp_path)), 2, f"{tmp_path}/own.yml:3")


def test_a_recipe_with_a_misspelt_key(up: Fleet, tmp_path: Path) -> None:
    (tmp_path / "own.yml").write_text("name: own\nengin: vllm\nmodle: zai-org/GLM-4.7-FP8\n")
    refused(deploy(up, HOST, "own", "--recipes", str(tmp_path)), 2, "own.yml", "modle", "model")


def test_a_card_that_is_not_there(up: Fleet) -> None:
    refused(deploy(up, HOST, NEW, "--gpus", "GPU-nobody"), 1, "GPU-nobody is no card and no set of the host")


def test_a_folder_that_does_not_hold_the_weights(up: Fleet, service: Service) -> None:
    refused(
        deploy(up, HOST, NEW, "--weights", "/srv/misspelt"), 1, "/srv/misspelt: isn't zai-org/", "is missing"
    )
    assert service.node.ssh("ls -d /srv/misspelt || echo none") == "none"


def test_no_such_image(up: Fleet) -> None:
    image = "lmsysorg/sglang:v9"
    refused(deploy(up, HOST, NEW, "--set", f"image={image}"), 1, "the registry has no lmsysorg/sglang:v9")


def test_a_port_that_somebody_has(up: Fleet, service: Service) -> None:
    node = service.node
    node.ssh("systemd-run --unit squatter python3 -m http.server 30000 --bind 127.0.0.1")
    node.ssh("timeout 30 sh -c 'until ss -Hltn sport = :30000 | grep -q .; do sleep 0.1; done'")
    try:
        refused(deploy(up, HOST, NEW), 1, "port 30000: ", "listens there; give another with --port")
    finally:
        node.ssh("systemctl stop squatter")


@pytest.mark.parametrize(
    ("kind", "word", "words"),
    [
        ("registry", "down", ("lmsysorg/sglang:v0.5.14", "can't be asked")),
        ("wrong-digest", "on", ("lmsysorg/sglang",)),
    ],
)
def test_a_registry_that_fails(
    up: Fleet, service: Service, faulty: Callable[..., None], kind: str, word: str, words: tuple[str, ...]
) -> None:
    faulty(kind, word)
    refused(deploy(up, HOST, NEW), 1, *words, "next:")
    assert "lmsysorg" not in service.node.ssh("docker images")


@pytest.mark.parametrize(
    ("kind", "word", "words"),
    [
        ("hub", "down", ("zai-org/GLM-4.7-FP8", "the hub can't be asked")),
        ("truncated-weights", "on", ("safetensors",)),
        ("wrong-sha", "on", ("safetensors", "another sum")),
    ],
)
def test_weights_that_do_not_come_whole(
    up: Fleet, service: Service, faulty: Callable[..., None], kind: str, word: str, words: tuple[str, ...]
) -> None:
    faulty(kind, word)
    refused(deploy(up, HOST, NEW, *ELSEWHERE), 1, *words, "next:")
    assert service.node.ssh("find /srv/elsewhere -name '*.safetensors' 2>/dev/null || true") == ""


def test_a_disk_without_room_for_the_weights(up: Fleet, service: Service) -> None:
    service.node.ssh("mkdir -p /srv/small && mount -t tmpfs -o size=1m small /srv/small")
    try:
        ran = deploy(up, HOST, NEW, "-e", "glmprov_model_root=/srv/small")
        refused(ran, 1, "no room for zai-org/GLM-4.7-FP8", "are free", "glmprov_model_root")
        assert service.node.ssh("find /srv/small -type f") == ""
    finally:
        service.node.ssh("umount /srv/small")


def test_a_host_that_is_lost_while_the_weights_come(up: Fleet, faulty: Callable[..., None]) -> None:
    faulty("slow-hub", "2000")
    running = start(up, "deploy", NEW, "--yes", "--json", "--hub", HUB, "-l", HOST, *ELSEWHERE)
    assert running.stderr is not None
    for line in running.stderr:
        if "downloading" in line:
            break
    Thread(target=running.stderr.read, daemon=True).start()
    faulty("unreachable", "on")
    out, _ = running.communicate(timeout=300)
    assert running.returncode == 4, out
    up.fault(HOST, "unreachable", "off")
    assert json.loads(out)["hosts"][0]["error"]["kind"] == "UnreachableError"
