"""A new service that doesn't serve: the old one answers again, or the host is as it was, and a person learns why.

What fails, and how, is the fleet's engine simulator on demand, in the words of the engines' own logs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from deployed import HUB, Service, deploy, deployed, removed
from glmprov_program import finish, keys, run, start
from rehearsal import Fleet

pytestmark = pytest.mark.fleet

HOST = "genoa-4x"
OLD, NEW = "recipe-3", "recipe-1"

FAILURES = {
    "crash-at-load": ("crash-at-load", 60, "the engine ended before it served", "moe-tile-too-large"),
    "out-of-memory": ("out-of-memory", 60, "the engine ended before it served", "out-of-memory"),
    "hang-at-warm-up": ("hang-at-warm-up", 12, "no tokens within 12 s", ""),
    "start-beyond-the-budget": ("slow-start 90", 5, "no tokens within 5 s", ""),
    "200-without-tokens": ("no-tokens", 20, "a completion without tokens", ""),
    "garbage": ("garbage", 60, "'!!!!", ""),
    "no-tool-calls": ("no-tool-calls", 60, "asked for a tool call, got none", ""),
}
"""What fails → the engine's fault, the seconds that a start may take, and what a person reads: words, known failure."""


def within(seconds: int, **settings: object) -> tuple[str, str]:
    """Return the option by which the inventory gives a start so many seconds, and what else it says."""
    said = {"glm": {"start_seconds": seconds, **settings}}
    return "-e", json.dumps({"glmprov_instances": said})


@pytest.fixture(scope="module")
def up(provisioned: Fleet) -> Iterator[Fleet]:
    """The fleet for the whole run, provisioned, and without instances before and after."""
    removed(provisioned)
    yield provisioned
    provisioned.fault(HOST, "engine", "off")
    removed(provisioned)


@pytest.fixture
def service(up: Fleet) -> Iterator[Service]:
    """The old service, which serves; no engine has a fault before or after."""
    up.fault(HOST, "engine", "off")
    deploy(up, HOST, OLD).expect(0)
    yield Service(up.nodes[HOST])
    up.fault(HOST, "engine", "off")


@pytest.mark.parametrize(("fault", "seconds", "words", "known"), FAILURES.values(), ids=FAILURES)
def test_the_old_service_answers_again(
    up: Fleet, service: Service, fault: str, seconds: int, words: str, known: str
) -> None:
    files, receipt = service.files, service.receipt
    up.fault(HOST, "engine", *fault.split(), "for", "sglang")
    found = deployed(deploy(up, HOST, NEW, "--json", *within(seconds)).expect(5, quotes_an_engine=True))
    assert found["word"] == "RESTORED" and words in found["error"]["message"], found["error"]
    assert found["restored"] == f"receipt {receipt['number']} ({OLD}) serves again"
    assert found["downtime_seconds"] > 0
    assert known in found["known_failure"] and bool(known) == bool(found["known_failure"])
    assert any("sglang" in line.lower() or "gate:" in line for line in found["log"])
    assert (service.files, service.receipt) == (files, receipt)
    service.answers()
    kept = service.node.ssh(f"journalctl -u {service.unit} -o cat -n 400")
    assert "SIMULATED" in kept and "sglang" in kept.lower()


def test_a_restored_service_is_as_it_was_deployed(up: Fleet, service: Service) -> None:
    assert service.receipt["recipe"] == OLD
    run(up, "audit", "-l", HOST).expect(0)


def test_where_nothing_served_the_host_is_as_it_was(up: Fleet) -> None:
    removed(up, "glm")
    node = up.nodes[HOST]
    units = "find /etc/systemd/system/ /etc/glmprov /var/lib/glmprov/instances | sort"
    before = node.ssh(units)
    up.fault(HOST, "engine", "crash-at-load", "for", "sglang")
    found = deployed(deploy(up, HOST, NEW, "--json").expect(5, quotes_an_engine=True))
    up.fault(HOST, "engine", "off")
    assert "nothing served before" in found["restored"] and found["word"] == "RESTORED"
    image, files = found["fetched"]
    assert "lmsysorg/sglang:v0.5.14" in image and "zai-org/GLM-4.7-FP8" in files
    assert node.ssh(units) == before
    assert node.ssh("docker ps -aq") == ""
    run(up, "audit", "-l", HOST).expect(0)


def test_an_old_engine_that_is_deaf_is_ended(up: Fleet, service: Service) -> None:
    up.fault(HOST, "engine", "ignore-sigterm", "for", "vllm")
    service.node.ssh(f"systemctl restart {service.unit}")
    found = deployed(deploy(up, HOST, NEW, "--json", *within(60, stop_seconds=2)).expect(0))
    assert found["stop_seconds"] >= 2 and found["word"] == "DEPLOYED"
    service.answers()


def test_a_rank_that_leaves_the_engine_does_not_outlive_its_container(up: Fleet, service: Service) -> None:
    up.fault(HOST, "engine", "orphan", "for", "vllm")
    service.node.ssh(f"systemctl restart {service.unit}")
    deploy(up, HOST, NEW).expect(0)
    service.answers()


def test_a_process_of_ours_that_outlives_the_old_service_is_ended(up: Fleet, service: Service) -> None:
    node, group = service.node, f"/sys/fs/cgroup/{service.unit}-left"
    up.fault(HOST, "gpu-busy", "0", "3000")
    try:
        rows = node.ssh(
            "nvidia-smi -i 0 --query-compute-apps=pid,used_memory --format=csv,noheader"
        ).splitlines()
        (pid,) = (row.split(",")[0] for row in rows if "3000 MiB" in row)
        node.ssh(f"mkdir -p {group} && echo {pid} > {group}/cgroup.procs")
        (ended,) = deployed(deploy(up, HOST, NEW, "--json").expect(0))["ended"]
    finally:
        up.fault(HOST, "gpu-busy", "0", "off")
    assert f"pid {pid}," in ended
    service.answers()


def test_one_that_dies_later_is_started_again_and_named(up: Fleet, service: Service) -> None:
    before = service.identity
    up.fault(HOST, "engine", "dies-later", "for", "vllm")
    service.node.ssh(f"timeout 60 sh -c 'while systemctl -q is-active {service.unit}; do sleep 0.2; done'")
    up.fault(HOST, "engine", "off")
    service.node.ssh(f"timeout 90 sh -c 'until systemctl -q is-active {service.unit}; do sleep 0.2; done'")
    assert service.identity != before
    service.answers()
    host = run(up, "audit", "--json", "-l", HOST).expect(3).host(HOST)
    assert keys(host) == {"engine_service[glm].restarts"}
    assert "started again 1 times by systemd" in run(up, "status", "-l", HOST).expect(0).out
    assert deployed(deploy(up, HOST, OLD, "--json").expect(0))["word"] == "WRITTEN"
    run(up, "audit", "-l", HOST).expect(0)


def test_a_host_that_is_lost_in_the_middle_of_the_swap_is_deployed_again_once_it_is_back(
    up: Fleet, service: Service
) -> None:
    up.fault(HOST, "engine", "slow-start", "20", "for", "sglang")  # else it may serve before the host is lost
    running = start(up, "deploy", NEW, "--yes", "--json", "--hub", HUB, "-l", HOST)
    assert running.stderr is not None
    for line in running.stderr:
        if "loading weights" in line:
            break
    up.fault(HOST, "unreachable", "on")
    try:
        ran = finish(running).expect(4)
    finally:
        up.fault(HOST, "unreachable", "off")
        up.fault(HOST, "engine", "off")
    error = deployed(ran)["error"]
    assert error["kind"] == "UnreachableError" and "glmprov status" in error["next_step"]
    found = deployed(deploy(up, HOST, NEW, "--json").expect(0))
    assert found["word"] == "DEPLOYED"
    assert service.receipt["recipe"] == NEW
    service.answers()
    run(up, "audit", "-l", HOST).expect(0)
