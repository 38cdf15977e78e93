"""The fleet's registry, model hub and engine simulator, as a provisioned host uses them."""

from __future__ import annotations

import json

import pytest
from rehearsal import Fleet, Node

pytestmark = pytest.mark.fleet

SGLANG = "lmsysorg/sglang:v0.5.14"
VLLM = "vllm/vllm-openai:v0.16.0"
RUN = "docker run --network host --ipc host --ulimit memlock=-1 -v /srv/models:/models"
LAUNCH = (
    "sglang serve --model-path /models/glm --tp-size 4 --mem-fraction-static 0.95 --kv-cache-dtype fp8_e4m3"
)
PYTHON = r"""
import hashlib, http.client, json, socket, sys, time, urllib.error, urllib.request
from pathlib import Path

HUB, MODEL = "https://hub.glmprov.lab", "zai-org/GLM-4.7-FP8"

def docker(path):
    connection = http.client.HTTPConnection("docker")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect("/var/run/docker.sock")
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())

def fetch(revision="main"):
    about = json.load(urllib.request.urlopen(f"{HUB}/api/models/{MODEL}/revision/{revision}?blobs=true"))
    for file in about["siblings"]:
        data = urllib.request.urlopen(f"{HUB}/{MODEL}/resolve/{about['sha']}/{file['rfilename']}").read()
        assert len(data) == file["size"], file
        if "lfs" in file:
            assert hashlib.sha256(data).hexdigest() == file["lfs"]["sha256"], file
        target = Path("/srv/models/glm", file["rfilename"])
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return about["sha"]

def ask(port, path, body=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body and json.dumps(body).encode())
    for _ in range(300):
        try:
            return urllib.request.urlopen(request, timeout=5).read().decode()
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit("nobody answers")

print(json.dumps(eval(sys.argv[1])))
"""


@pytest.fixture
def node(provisioned: Fleet) -> Node:
    node = provisioned.nodes["genoa-4x"]
    node.ssh(f"cat > /root/lab.py <<'X'\n{PYTHON}X")
    return node


def python(node: Node, expression: str) -> object:
    """Evaluate an expression of PYTHON on the node."""
    value: object = json.loads(node.ssh(f"python3 /root/lab.py '{expression}'"))
    return value


def test_an_image_comes_by_tag_and_by_digest_without_a_way_out(node: Node) -> None:
    status, about = python(node, f'docker("/distribution/{VLLM}/json")')  # type: ignore[misc]
    assert status == 200
    digest = about["Descriptor"]["digest"]
    node.ssh(f"docker pull -q {VLLM}")
    assert digest in node.ssh(f"docker image inspect -f '{{{{.RepoDigests}}}}' {VLLM}")
    name = VLLM.partition(":")[0]
    node.ssh(f"docker rmi {VLLM} && docker pull -q {name}@{digest}")
    assert python(node, 'docker("/distribution/lmsysorg/sglang:v9/json")')[0] == 404  # type: ignore[index]


def test_a_registry_that_fails_one_node_is_seen_there(provisioned: Fleet, node: Node) -> None:
    image = "lmsysorg/sglang:v0.5.9"
    before = python(node, f'docker("/distribution/{image}/json")[1]["Descriptor"]["digest"]')
    provisioned.fault(node.name, "registry", "down")
    assert node.try_ssh(f"docker pull {image}").returncode == 1
    assert python(node, f'docker("/distribution/{image}/json")[0]') != 200
    provisioned.fault(node.name, "registry", "off")
    provisioned.fault(node.name, "wrong-digest", "on")
    assert node.try_ssh(f"docker pull lmsysorg/sglang@{before}").returncode == 1
    # Docker itself only says that docker.io, which it asks after the mirror, can't be reached.
    assert "manifest verification failed" in node.ssh("journalctl -u docker -o cat | tail -20")
    provisioned.fault(node.name, "wrong-digest", "off")
    provisioned.fault(node.name, "moved-tag", "on")
    assert python(node, f'docker("/distribution/{image}/json")[1]["Descriptor"]["digest"]') != before
    provisioned.fault(node.name, "moved-tag", "off")
    node.ssh(f"docker pull -q {image}")


def test_weights_come_from_the_hub_and_can_be_bad(provisioned: Fleet, node: Node) -> None:
    for kind, words in (("hub", "down"), ("truncated-weights", "on"), ("wrong-sha", "on")):
        provisioned.fault(node.name, kind, words)
        assert node.try_ssh("python3 /root/lab.py 'fetch()'").returncode == 1, kind
        provisioned.fault(node.name, kind, "off")
    assert len(str(python(node, "fetch()"))) == 40


def test_an_engine_holds_its_cards_and_answers(node: Node) -> None:
    python(node, "fetch()")
    node.ssh(
        f"{RUN} --detach --gpus all --name engine {SGLANG} {LAUNCH} --port 30000 --tool-call-parser glm47"
    )
    try:
        python(node, 'ask(30000, "/health")')
        asked = '{"messages": [{"role": "user", "content": "What is 6 times 7?"}]}'
        assert "42" in str(python(node, f'ask(30000, "/v1/chat/completions", {asked})'))
        processes = node.ssh(
            "nvidia-smi --query-compute-apps=pid,process_name,used_memory --format=csv,noheader"
        )
        rows = [line.split(", ") for line in processes.splitlines()]
        assert [row[1] for row in rows] == [f"sglang::scheduler_TP{rank}" for rank in range(4)]
        assert all(int(row[2].split()[0]) > 90_000 for row in rows)
        assert "engine_simulator" in node.ssh(f"cat /proc/{rows[0][0]}/cmdline | tr '\\0' ' '")
        assert "SIMULATED" in node.ssh("docker logs engine 2>&1 | head -1")
        node.ssh("docker stop -t 5 engine")
        assert node.ssh("docker inspect -f '{{.State.ExitCode}}' engine") == "0"
    finally:
        node.try_ssh("docker rm -f engine")
    assert set(node.ssh("nvidia-smi --query-gpu=memory.used --format=csv,noheader").split("\n")) == {"0 MiB"}


def test_a_container_holds_only_the_cards_that_it_was_given(node: Node) -> None:
    uuids = node.ssh("nvidia-smi --query-gpu=uuid --format=csv,noheader").split()
    two = f"--gpus '\"device={uuids[1]},{uuids[3]}\"'"
    refused = node.try_ssh(f"{RUN} --rm {two} {SGLANG} {LAUNCH}")
    assert refused.returncode == 1
    assert "invalid device ordinal" in refused.stdout + refused.stderr
    assert node.ssh(
        f"{RUN} --rm {two} {SGLANG} nvidia-smi --query-gpu=uuid --format=csv,noheader"
    ).split() == [
        uuids[1],
        uuids[3],
    ]


def test_bad_arguments_and_a_fault_on_demand_end_the_engine(provisioned: Fleet, node: Node) -> None:
    bad = node.try_ssh(f"{RUN} --rm --gpus all {SGLANG} {LAUNCH} --quantisation fp8")
    assert (bad.returncode, "unrecognized arguments: --quantisation" in bad.stderr) == (2, True)
    provisioned.fault(node.name, "engine", "out-of-memory", "for", "sglang")
    broken = node.try_ssh(f"{RUN} --rm --gpus all {SGLANG} {LAUNCH}")
    provisioned.fault(node.name, "engine", "off")
    assert (broken.returncode, "CUDA out of memory" in broken.stderr) == (1, True)


@pytest.mark.parametrize("how", ["--gpus all", "--runtime nvidia -e NVIDIA_VISIBLE_DEVICES=all"])
def test_an_orphan_outlives_its_container_and_is_known_by_it(
    provisioned: Fleet, node: Node, how: str
) -> None:
    provisioned.fault(node.name, "engine", "orphan", "for", "sglang")
    try:
        container = node.ssh(f"{RUN} --detach {how} --name leaving {SGLANG} {LAUNCH} --port 30000")
        python(node, 'ask(30000, "/health")')
        node.ssh("docker rm -f leaving")
        pid = node.ssh("nvidia-smi --query-compute-apps=pid --format=csv,noheader")
        assert container in node.ssh(f"cat /proc/{pid}/cgroup")
        assert node.ssh("nvidia-smi -i 0 --query-gpu=memory.used --format=csv,noheader") == "4096 MiB"
        node.ssh(f"kill {pid}; kill -0 {pid}; kill -9 {pid}")
    finally:
        provisioned.fault(node.name, "engine", "off")
    assert node.ssh("nvidia-smi -i 0 --query-gpu=memory.used --format=csv,noheader") == "0 MiB"


def test_an_image_with_its_own_launcher_takes_its_settings_by_environment(node: Node) -> None:
    image = "glmprov-lab/glm-4.7:1"
    assert node.try_ssh(f"{RUN} --rm --gpus all {image} --port 8000").returncode == 1
    node.ssh(f"{RUN} --detach --gpus all --name own -e MODEL=/models/glm -e PORT=8001 {image}")
    try:
        assert "/models/glm" in str(python(node, 'ask(8001, "/v1/models")'))
    finally:
        node.try_ssh("docker rm -f own")
