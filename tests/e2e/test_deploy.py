"""Recipes from a provisioned host to a service that answers, over a reboot; what is refused with nothing changed.

The engines are the fleet's simulator: what is shown is the way of a service, not how fast or how well an engine runs.
The tests of this module share the fleet and go in order: a recipe takes the place of the one before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from deployed import Service, as_it_is, deploy, deployed, removed
from glmprov_program import run
from rehearsal import Fleet

pytestmark = pytest.mark.fleet

SWAPS = [
    ("recipe-3", "genoa-4x"),
    ("recipe-1", "genoa-4x"),
    ("recipe-2", "genoa-4x"),
    ("recipe-4", "turin-8x"),
]


@pytest.fixture(scope="module")
def up(provisioned: Fleet) -> Iterator[Fleet]:
    """The fleet for the whole run, provisioned, and without instances before and after."""
    removed(provisioned)
    yield provisioned
    removed(provisioned)


def test_eight_cards_are_not_to_be_had_of_four(up: Fleet) -> None:
    node = up.nodes["genoa-4x"]
    before = as_it_is(node)
    found = deployed(deploy(up, node.name, "recipe-4", "--json").expect(1))
    assert "8 needed, the host has 4" in found["error"]["message"]
    assert as_it_is(node) == before


def test_what_quantizes_is_not_served_and_what_to_type_instead_is_said(up: Fleet) -> None:
    found = deployed(deploy(up, "genoa-4x", "recipe-5", "--json").expect(2))
    assert "kind quantize" in found["error"]["message"]
    assert "glmprov deploy recipe-3" in found["error"]["next_step"]
    assert "glmprov recipe render recipe-5" in found["error"]["next_step"]


def test_a_disk_without_room_for_the_image_is_seen_before_it_is_fetched(up: Fleet) -> None:
    node = up.nodes["turin-8x"]
    node.ssh("systemctl stop docker.socket docker && mount -t tmpfs -o size=24m small /var/lib/docker")
    try:
        node.ssh("systemctl start docker")
        found = deployed(deploy(up, node.name, "recipe-3", "--json").expect(1))
        assert node.ssh("docker images -q") == ""
    finally:
        node.ssh("systemctl stop docker.socket docker && umount /var/lib/docker && systemctl start docker")
    assert "vllm/vllm-openai:v0.32.0 needs about" in found["error"]["message"]
    assert found["error"]["place"] == "/var/lib/docker" and "make room" in found["error"]["next_step"]
    assert node.ssh("ls /etc/glmprov/instances 2>/dev/null || true") == ""


@pytest.mark.parametrize(("recipe", "host"), SWAPS)
def test_a_recipe_serves_again_after_a_reboot(up: Fleet, recipe: str, host: str) -> None:
    service = Service(up.nodes[host])
    served = service.node.try_ssh(f"systemctl is-active {service.unit}").returncode == 0
    ran = deploy(up, host, recipe).expect(0)
    assert f"glm: {recipe} serves on port" in ran.out and "it answered '42'" in ran.out
    assert bool(re.search(r"down for \d+\.\d s", ran.out)) == served
    service.answers()
    assert service.receipt["recipe"] == recipe
    run(up, "audit", "-l", host).expect(0)
    key = service.node.ssh("cat /etc/glmprov/instances/glm/key")
    assert key and key not in service.node.ssh(f"journalctl --output=cat --unit {service.unit}")

    before, files = service.identity, as_it_is(service.node)
    assert deployed(deploy(up, host, recipe, "--json").expect(0))["word"] == "UNCHANGED"
    assert (service.identity, as_it_is(service.node)) == (before, files)

    boot = service.node.boot_id
    up.reboot(host)
    service.node.ssh("systemctl is-system-running --wait || true")
    assert service.node.boot_id != boot and service.identity != before
    service.answers()
    run(up, "audit", "-l", host).expect(0)
