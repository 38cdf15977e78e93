"""What runs where, what a host would get, what is declared, and what no receipt names any more."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest
import yaml
from glmprov_program import Ran, run
from rehearsal import Fleet, Node

pytestmark = pytest.mark.fleet

HUB = ("--hub", "https://hub.glmprov.lab")
HOST = "genoa-4x"
UNIT = "/etc/systemd/system/glmprov-left.service"


@pytest.fixture
def node(provisioned: Fleet) -> Node:
    return provisioned.nodes[HOST]


@pytest.fixture
def declared(tmp_path: Path) -> Path:
    """What the inventory says of the host: one instance, reachable from outside."""
    file = tmp_path / "instances.yml"
    said = {"left": {"recipe": "recipe-3", "listen": "0.0.0.0", "port": 8001, "set": {"max-num-seqs": 8}}}
    file.write_text(yaml.safe_dump({"glmprov_instances": said}), encoding="utf-8")
    return file


def on_host(fleet: Fleet, *words: str) -> Ran:
    return run(fleet, *words, "--limit", HOST)


def listed(fleet: Fleet, form: str) -> Ran:
    return run(fleet, "endpoint", "list", "--format", form).expect(0)


def test_what_the_inventory_declares_is_rendered_deployed_listed_and_pruned(
    provisioned: Fleet, node: Node, declared: Path, tmp_path: Path
) -> None:
    said = ("-e", f"@{declared}", *HUB)
    assert "no instances" in listed(provisioned, "table").out

    # Rendered before anything is there: what the image sets itself isn't known yet, and that is said.
    before = on_host(provisioned, "recipe", "render", "recipe-3", *said).expect(0)
    assert "the image isn't there yet" in before.err and UNIT in before.out

    deployed = on_host(provisioned, "deploy", "--yes", "--json", *said).expect(0).host(HOST)
    assert (deployed["name"], deployed["word"], deployed["answer"]) == ("left", "DEPLOYED", "42")
    again = on_host(provisioned, "deploy", "--yes", "--json", *said).expect(0).host(HOST)
    assert again["word"] == "UNCHANGED"

    rendered = on_host(provisioned, "recipe", "render", "recipe-3", "--json", *said).expect(0).host(HOST)
    for path, text in rendered["files"].items():
        if "{key}" not in text:
            assert node.ssh(f"cat {path}") == text.strip(), path
    started = node.ssh(
        "tr '\\0' '\\n' < /proc/$(systemctl show -P MainPID glmprov-left)/cmdline"
    ).splitlines()
    assert started == rendered["argv"]

    endpoint = listed(provisioned, "json").host(HOST)
    assert endpoint["url"] == f"http://{node.address}:8001/v1"
    assert (endpoint["healthy"], endpoint["reachable"], endpoint["auth"]) == (True, "network", "key")
    key = node.ssh("cat /etc/glmprov/instances/left/key")
    request = urllib.request.Request(f"{endpoint['url']}/models", headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.load(answer)["data"][0]["id"] == endpoint["model"]
    for form in ("table", "json", "prometheus-sd", "litellm", "nginx"):
        text = listed(provisioned, form)
        assert key not in text.out + text.err, form
        assert f"{node.address}:8001" in text.out, form

    # An engine whose /health fails: the unit is up all the same.
    node.ssh("docker pause glmprov-left")
    try:
        ill = listed(provisioned, "json").host(HOST)
        assert (ill["active"], ill["healthy"], ill["serves"]) == ("active", False, False)
        assert f"server {node.address}:8001 down;" in listed(provisioned, "nginx").out
    finally:
        node.ssh("docker unpause glmprov-left")

    on_host(provisioned, "deploy", "--yes", "--set", "max-num-seqs=4", *said).expect(0)
    assert "nothing to remove" in on_host(provisioned, "prune", "--check").expect(0).out
    image = node.ssh("docker image ls -q --no-trunc vllm/vllm-openai")
    shown = on_host(provisioned, "prune", "--check", "--keep", "1", "--json").expect(0).host(HOST)
    assert [item["name"] for item in shown["items"]] == ["left 1"]

    on_host(provisioned, "remove", "left", "--yes").expect(0)
    assert on_host(provisioned, "prune", "--keep", "1").code == 2, "nobody is there to ask"
    gone = on_host(provisioned, "prune", "--keep", "1", "--yes", "--json").expect(0).host(HOST)
    assert {item["kind"] for item in gone["gone"]} == {"image", "cache", "weights"} and not gone["failed"]
    assert image not in node.ssh("docker image ls -q --no-trunc --all")
    assert node.ssh("ls /var/lib/glmprov/models") == ""
    on_host(provisioned, "audit").expect(0)


def test_a_declared_instance_that_is_wrong_stops_every_command(provisioned: Fleet) -> None:
    wrong = ("-e", '{"glmprov_instances": {"left": {"recip": "recipe-3", "port": 0}}}')
    for words in (("deploy", "--yes"), ("plan",)):
        told = on_host(provisioned, *words, *wrong)
        assert told.code == 2 and "did you mean recipe?" in told.err and "left.port" in told.err
