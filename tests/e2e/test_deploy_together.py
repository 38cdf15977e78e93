"""Several instances on a host, several controllers at once, and an audit of what isn't as it was deployed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from threading import Thread

import pytest
from deployed import HUB, Service, deploy, deployed, removed
from glmprov_program import finish, keys, run, start
from rehearsal import Fleet

pytestmark = pytest.mark.fleet

TWO = (
    "-e",
    json.dumps({"glmprov_instances": {"one": {"recipe": "recipe-3"}, "two": {"recipe": "recipe-1"}}}),
)


@pytest.fixture(scope="module")
def up(provisioned: Fleet) -> Iterator[Fleet]:
    """The fleet for the whole run, provisioned, and without instances before and after."""
    removed(provisioned)
    yield provisioned
    removed(provisioned)


def test_two_declared_instances_have_a_socket_each(up: Fleet) -> None:
    host = "turin-8x"
    ran = deploy(up, host, *TWO, "--json").expect(0)
    one, two = (each["instance"] for each in ran.document["hosts"])
    assert not set(one["gpus"]) & set(two["gpus"]) and len(one["gpus"]) == len(two["gpus"]) == 4
    assert {tuple(one["nodes"]), tuple(two["nodes"])} == {(0,), (1,)}
    services = [Service(up.nodes[host], name) for name in ("one", "two")]
    for service in services:
        service.answers()
    assert services[0].key != services[1].key
    before = [service.identity for service in services]
    again = deploy(up, host, *TWO, "--json").expect(0)
    assert [each["word"] for each in again.document["hosts"]] == ["UNCHANGED", "UNCHANGED"]
    third = deployed(deploy(up, host, "recipe-3", "--name", "three", "--port", "8003", "--json").expect(1))
    assert "4 needed, 0 of 8 free; instance one, instance two has the others" in third["error"]["message"]
    assert [service.identity for service in services] == before
    run(up, "audit", "-l", host).expect(0)


def test_of_two_controllers_one_is_told_who_has_the_host(up: Fleet) -> None:
    host = "genoa-4x"
    up.fault(host, "slow-registry", "200")
    try:
        first = start(
            up, "deploy", "recipe-3", "--yes", "--hub", HUB, "-l", host, "--reason", "the first of two"
        )
        assert first.stderr is not None
        for line in first.stderr:
            if "pulling" in line:
                break
        # Its progress must be read on, or it would wait for its reader.
        reader = Thread(target=first.stderr.read, daemon=True)
        reader.start()
        second = deployed(deploy(up, host, "recipe-1", "--json").expect(6))
    finally:
        up.fault(host, "slow-registry", "off")
    assert second["error"]["kind"] == "LockError" and "the first of two" in second["error"]["message"]
    reader.join(120)
    finish(first).expect(0)
    Service(up.nodes[host]).answers()


def test_a_unit_edited_by_hand_is_named_and_written_again_without_a_restart(up: Fleet) -> None:
    service = Service(up.nodes["genoa-4x"])
    deploy(up, service.node.name, "recipe-3").expect(0)
    before = service.identity
    service.node.ssh(f"echo '# by hand' >> /etc/systemd/system/{service.unit}; systemctl daemon-reload")
    host = run(up, "audit", "-l", service.node.name, "--json").expect(3).host(service.node.name)
    assert keys(host) == {f"engine_service[glm].files[/etc/systemd/system/{service.unit}]"}
    assert deployed(deploy(up, service.node.name, "recipe-3", "--json").expect(0))["word"] == "WRITTEN"
    assert service.identity == before
    run(up, "audit", "-l", service.node.name).expect(0)


def test_what_runs_otherwise_than_deployed_is_named_each_for_itself_and_deployed_again(up: Fleet) -> None:
    service = Service(up.nodes["genoa-4x"])
    node = service.node
    deploy(up, node.name, "recipe-3").expect(0)
    unit, environment = f"/etc/systemd/system/{service.unit}", f"{service.home}/environment"
    asked = service.receipt["expected"]["engine_image"]["reference"]
    node.ssh("docker pull -q vllm/vllm-openai:v0.33.0")
    other = node.ssh("docker image inspect -f '{{index .RepoDigests 0}}' vllm/vllm-openai:v0.33.0")
    # The files are put back behind it: only the process and its container tell.
    node.ssh(
        f"cp -p {unit} {environment} /root/ && sed -i 's|{asked}|{other}|' {unit} && "
        f"sed -i 's/^NCCL_P2P_LEVEL=.*/NCCL_P2P_LEVEL=LOC/' {environment} && systemctl daemon-reload && "
        f"systemctl restart {service.unit} && cp -p /root/{service.unit} {unit} && "
        f"cp -p /root/environment {environment} && systemctl daemon-reload"
    )
    shard = next(iter(service.receipt["expected"]["model_store"]["shards"]))
    node.ssh(f"rm /var/lib/glmprov/instances/glm/weights/{shard}")
    host = run(up, "audit", "-l", node.name, "--json").expect(3).host(node.name)
    assert keys(host) == {
        "engine_image[glm].image",
        "engine_service[glm].environment[NCCL_P2P_LEVEL]",
        f"model_store[glm].shards[{shard}]",
    }
    found = deployed(deploy(up, node.name, "recipe-3", "--json").expect(0))
    assert found["word"] == "DEPLOYED" and any("1 file" in what for what in found["fetched"])
    service.answers()
    run(up, "audit", "-l", node.name).expect(0)
