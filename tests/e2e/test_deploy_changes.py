"""One service through its changes: locked, with another key, drained, out of its container and back, over a power cut.

The tests of this module go in order: each takes up the service that the one before has left.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest
from deployed import HUB, Service, deploy, deployed, removed
from glmprov_program import finish, run, start
from rehearsal import Fleet

pytestmark = pytest.mark.fleet

HOST = "genoa-4x"
IMAGE, OTHER_IMAGE = "vllm/vllm-openai:v0.32.0", "vllm/vllm-openai:v0.33.0"
RECIPE = f"""\
name: short
title: GLM-4.7 FP8 on vLLM, which is drained for two seconds only
author: rehearsal
date: 2026-03-01
model: zai-org/GLM-4.7-FP8
requires: {{gpus: 4}}
published:
  command: >-
    docker run --gpus all --ipc host --network host --entrypoint vllm {IMAGE}
    serve zai-org/GLM-4.7-FP8 --kv-cache-dtype fp8 --tensor-parallel-size 4 --gpu-memory-utilization 0.95
    --max-model-len 32768 --max-num-seqs 16 --attention-backend TRITON_ATTN --host 127.0.0.1 --port 8000
    --tool-call-parser glm47 --enable-auto-tool-choice --reasoning-parser glm45
gate: {{drain_seconds: 2}}
"""
KEY, ANOTHER_KEY = "sk-rehearsal-Zq7f3Yw9", "sk-rehearsal-Kd2m8Tb4"
ENDLESS = """
import json, sys, urllib.request
asked = {"model": "zai-org/GLM-4.7-FP8", "messages": [{"role": "user", "content": "What is 6 times 7?"}],
         "ignore_eos": True, "max_tokens": 4000, "stream": True}
headers = {"Authorization": "Bearer " + open("/etc/glmprov/instances/glm/key").read().strip()}
request = urllib.request.Request("http://127.0.0.1:8000/v1/chat/completions", json.dumps(asked).encode(), headers)
for line in urllib.request.urlopen(request):
    print(line, flush=True)
"""
UNTIL_IT_RUNS = """
import re, time, urllib.request
def metrics():
    return urllib.request.urlopen("http://127.0.0.1:8000/metrics").read().decode()
while not re.search("^vllm:num_requests_running.* 1", metrics(), re.M):
    time.sleep(0.1)
"""
VENV = "/srv/venv"
MAKE_VENV = f"""\
mkdir -p {VENV}/bin && container=$(docker create {{image}} true)
docker cp $container:/usr/local/bin/vllm {VENV}/bin/vllm
docker cp $container:/usr/local/lib/python3.11/dist-packages {VENV}/site
docker cp $container:/opt/engine-simulator {VENV}/identity
docker rm $container
mkdir /etc/systemd/system/glmprov-glm.service.d
printf '[Service]\\nReadWritePaths=/run/glmlab\\n' > /etc/systemd/system/glmprov-glm.service.d/lab.conf
"""
"""The engine simulator without its container. It holds cards by files, which a unit may not write."""


def declared(**settings: object) -> tuple[str, str]:
    """Return the option that says in the inventory what is asked of the instance."""
    return "-e", json.dumps({"glmprov_instances": {"glm": settings}})


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipes")
    (folder / "short.yml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def up(fleet: Fleet) -> Iterator[Fleet]:
    """The fleet for the whole run, provisioned, and without instances before and after."""
    run(fleet, "provision", "--yes", "--reboot").expect(0)
    removed(fleet)
    yield fleet
    fleet.fault(HOST, "engine", "off")
    fleet.nodes[HOST].ssh(f"rm -rf {VENV} /etc/systemd/system/glmprov-glm.service.d")
    removed(fleet)


@pytest.fixture
def service(up: Fleet) -> Service:
    return Service(up.nodes[HOST])


@contextmanager
def arguments() -> Iterator[list[str]]:
    """Collect the arguments of every process of this machine and of the hosts on it while the block lasts."""
    ended, seen = Event(), dict[str, None]()

    def look() -> None:
        while not ended.wait(0.05):
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen[file.read_bytes().decode(errors="replace")] = None
                except OSError:
                    continue

    thread = Thread(target=look)
    thread.start()
    found: list[str] = []
    try:
        yield found
    finally:
        ended.set()
        thread.join()
        found += seen


def test_locked_wants_a_lock_that_is_right(up: Fleet, recipes: Path) -> None:
    asked = ("short", "--recipes", str(recipes), "--locked")
    error = deployed(deploy(up, HOST, *asked, "--json").expect(1))["error"]
    assert "isn't locked" in error["message"] and error["next_step"] == "glmprov recipe lock short"

    lock = ("recipe", "lock", "short", "--recipes", str(recipes), "-l", HOST)
    run(up, *lock, environment={"HF_ENDPOINT": HUB}).expect(0)
    error = deployed(deploy(up, HOST, *asked, "--set", f"image={OTHER_IMAGE}", "--json").expect(1))["error"]
    assert f"locked for {IMAGE}, the recipe asks for {OTHER_IMAGE}" in error["message"]
    refused = deploy(up, HOST, *asked, "--model", "/srv/own").expect(2)
    assert "/srv/own is a folder of the host's own, which no lock knows" in " ".join(refused.out.split())


def test_locked_is_deployed_as_it_was_locked_with_the_inventorys_key_in_its_files_only(
    up: Fleet, recipes: Path, service: Service, tmp_path: Path
) -> None:
    inventory = tmp_path / "said.json"
    inventory.write_text(declared(api_key=f"{KEY}\n")[1])
    asked = ("short", "--recipes", str(recipes), "--locked", "-v", "-e", f"@{inventory}")
    up.fault(HOST, "moved-tag", "on")
    try:
        with arguments() as seen:
            ran = deploy(up, HOST, *asked).expect(0)
    finally:
        up.fault(HOST, "moved-tag", "off")
    assert "resolving" not in ran.err
    locked = (recipes / "recipe.lock").read_text()
    assert service.receipt["expected"]["engine_image"]["reference"].partition("@")[2] in locked
    assert any("serve /models" in each.replace("\0", " ") for each in seen)
    assert not [each for each in seen if KEY in each] and KEY not in ran.out + ran.err
    folders = "/etc /var/lib/glmprov /usr/local /run/systemd /root /tmp"
    holding = set(service.node.ssh(f"grep -rlF {KEY} {folders}").splitlines())
    assert holding == {f"{service.home}/key", f"{service.home}/key.env"}
    assert service.node.ssh(f"journalctl -o json | grep -cF {KEY} || true") == "0"
    assert service.key == KEY
    service.answers()


def test_another_key_is_a_change_and_a_command_that_prints_none_is_told(
    up: Fleet, recipes: Path, service: Service
) -> None:
    asked, before = ("short", "--recipes", str(recipes), "--locked", "--json"), service.identity
    error = deployed(
        deploy(up, HOST, *asked, *declared(api_key_command="echo sealed >&2; exit 3")).expect(1)
    )["error"]
    assert (
        error["place"] == "glmprov_instances.glm.api_key_command"
        and "ended with 3: sealed" in error["message"]
    )
    assert service.identity == before

    up.fault(HOST, "hub", "down")
    try:
        ran = deploy(up, HOST, *asked, *declared(api_key_command=f"echo {ANOTHER_KEY}")).expect(0)
    finally:
        up.fault(HOST, "hub", "off")
    found = deployed(ran)
    assert (found["word"], found["declared"]) == ("DEPLOYED", ["API key: another one"])
    assert ANOTHER_KEY not in ran.out + ran.err and service.identity != before
    assert service.key == ANOTHER_KEY and service.ask("What is 6 times 7?", key=KEY) == {"refused": 401}
    service.answers()


def test_a_request_that_does_not_end_is_cut_off_after_the_drain(up: Fleet, service: Service) -> None:
    up.fault(HOST, "engine", "slow-tokens", "1", "for", "vllm")
    service.node.ssh(f"systemd-run --unit endless python3 -c {shlex.quote(ENDLESS)}")
    service.node.ssh(f"timeout 30 python3 -c {shlex.quote(UNTIL_IT_RUNS)}")
    found = deployed(deploy(up, HOST, "recipe-1", "--json").expect(0))
    up.fault(HOST, "engine", "off")
    assert found["undrained"] == "still running after 2 s and cut off: 1 requests"
    service.answers()


def test_a_container_that_hears_nothing_makes_room_for_a_virtual_environment(
    up: Fleet, service: Service
) -> None:
    node = service.node
    image = node.ssh(f"docker images -q {IMAGE.partition(':')[0]}").splitlines()[0]
    node.ssh(MAKE_VENV.format(image=image))
    old = node.ssh("docker inspect -f '{{.Id}} {{.State.Pid}}' glmprov-glm").split()
    node.ssh(f"kill -STOP {old[1]}")  # neither its metrics answer nor does it hear SIGTERM
    variables = {"PYTHONPATH": f"{VENV}/site", "GLMLAB_ENGINE": f"{VENV}/identity"}
    asked = declared(venv=VENV, environment=variables, stop_seconds=2, start_seconds=30)
    found = deployed(deploy(up, HOST, "recipe-3", "--json", *asked).expect(0))
    assert found["undrained"].startswith("not drained: 127.0.0.1:30000/metrics")
    assert 2 <= found["stop_seconds"] < 20 and found["downtime_seconds"] > found["stop_seconds"]
    assert node.ssh("docker ps -aq --no-trunc") == ""
    assert f"{VENV}/bin/vllm" in node.ssh(f"systemctl cat {service.unit}")
    service.answers()
    run(up, "audit", "-l", HOST).expect(0)


def test_rollback_goes_back_step_by_step_and_fetches_what_was_pruned(up: Fleet, service: Service) -> None:
    node, receipt = service.node, service.receipt
    weights = node.ssh("readlink /var/lib/glmprov/instances/glm/weights")
    node.ssh(f"mv {weights} /srv/aside")
    error = deployed(run(up, "rollback", "--yes", "--json", "-l", HOST).expect(1))["error"]
    node.ssh(f"mv /srv/aside {weights}")
    assert f"its weights aren't whole in {weights}" in error["message"]
    assert error["next_step"] == "glmprov deploy recipe-1 --name glm"

    node.ssh("docker image rm -f $(docker images -q lmsysorg/sglang)")
    images = node.ssh("docker images -q")
    assert run(up, "rollback", "-l", HOST).code == 2, "nobody is there to ask"
    assert node.ssh("docker images -q") == images, "nothing is fetched before somebody agrees"
    found = deployed(run(up, "rollback", "--yes", "--json", "-l", HOST).expect(0))
    assert found["previous"] == {"number": receipt["number"], "recipe": "recipe-3"}
    assert found["word"] == "DEPLOYED" and "lmsysorg/sglang:v0.5.14" in found["fetched"][0]
    assert "glmprov-kept-" in node.ssh("docker images lmsysorg/sglang --format '{{.Tag}}'")
    assert service.receipt["recipe"] == "recipe-1" and service.receipt["number"] == receipt["number"] + 1
    service.answers()
    found = deployed(run(up, "rollback", "--yes", "--json", "-l", HOST).expect(0))
    assert found["word"] == "DEPLOYED" and service.receipt["recipe"] == "short"
    assert service.key == ANOTHER_KEY
    service.answers()
    error = deployed(run(up, "rollback", "--yes", "--json", "-l", HOST).expect(1))["error"]
    number = service.receipt["number"]
    assert error["message"] == f"nothing ran before what receipt {number} (short) is of"


def test_a_power_cut_in_the_middle_of_the_swap_is_gone_on_from(up: Fleet, service: Service) -> None:
    node = service.node
    up.fault(HOST, "engine", "slow-start", "4", "for", "sglang")
    running = start(up, "deploy", "recipe-1", "--yes", "--json", "--hub", HUB, "-l", HOST)
    assert running.stderr is not None
    assert any("loading weights" in line for line in running.stderr)
    node.try_ssh("systemctl poweroff --force --force")
    error = deployed(finish(running).expect(4))["error"]
    up.reboot(HOST)
    up.fault(HOST, "engine", "off")
    # systemd may still have told that the start failed, as the last thing that it did.
    ways = (
        "the host goes on by itself, stops what served and starts recipe-1",
        "the host was lost before receipt",
    )
    assert any(way in error["message"] for way in ways), error
    assert f"glmprov status -l {HOST}" in error["next_step"]
    found = deployed(deploy(up, HOST, "recipe-1", "--json").expect(0))
    assert found["word"] == "DEPLOYED" and service.receipt["recipe"] == "recipe-1"
    service.answers()
    run(up, "audit", "-l", HOST).expect(0)


def test_a_receipt_that_was_pruned_is_nothing_to_go_back_to(up: Fleet, service: Service) -> None:
    before, receipt = service.identity, service.receipt
    run(up, "prune", "--keep", "1", "--yes", "-l", HOST).expect(0)
    error = deployed(run(up, "rollback", "--yes", "--json", "-l", HOST).expect(1))["error"]
    gone, number = receipt["replaces"], receipt["number"]
    assert error["message"] == f"receipt {gone}, which {number} took the place of, is gone"
    assert error["next_step"] == "deploy what is wanted: glmprov deploy RECIPE --name glm"
    assert service.identity == before
