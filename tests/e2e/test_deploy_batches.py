"""Deploying many: batches, hooks, an instance a socket, Ctrl-C. Whatever ends a run, what served goes on."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from deployed import HUB, Service, as_it_is, deploy, deployed, removed
from glmprov_program import Ran, finish, run, start
from rehearsal import Fleet, Node

pytestmark = pytest.mark.fleet

FIRST, SECOND = "turin-8x", "genoa-4x"
NEW = 4711
"""A seed: by it a launch differs from the one before, and an engine's fault finds it."""
WATCH = """
import sys, time, urllib.request
while True:
    asked = urllib.request.Request(f"http://127.0.0.1:{sys.argv[1]}/v1/models", headers={"Authorization": sys.argv[2]})
    try:
        urllib.request.urlopen(asked, timeout=5).read()
        print("served", flush=True)
    except OSError as error:
        print(error, flush=True)
    time.sleep(0.1)
"""


def two(**settings: object) -> tuple[str, str]:
    """Return the option that declares an instance for each of two sockets."""
    ports = {"one": 8000, "two": 8001}
    said = {name: {"recipe": "recipe-3", "port": port, "set": settings} for name, port in ports.items()}
    return "-e", json.dumps({"glmprov_instances": said})


@pytest.fixture(scope="module")
def up(fleet: Fleet) -> Iterator[Fleet]:
    """The fleet for the whole run, provisioned, and without instances before and after."""
    run(fleet, "provision", "--yes", "--reboot").expect(0)
    removed(fleet)
    yield fleet
    removed(fleet)


@pytest.fixture(scope="module")
def hooked(up: Fleet, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, Path]:
    """The first deploy of two instances on one host, and the folder with what its hooks read."""
    told = tmp_path_factory.mktemp("hooks")
    hook = f"cat >> {told}/$GLMPROV_EVENT"
    hooks = ("--before", hook, "--after", hook)
    return deploy(up, FIRST, *two(), *hooks, "--json").expect(0), told


@pytest.fixture
def both(up: Fleet, hooked: object) -> list[Service]:
    """The two instances of the first host, which serve."""
    return [Service(up.nodes[FIRST], name) for name in ("one", "two")]


@pytest.fixture
def watched(both: list[Service]) -> Iterator[None]:
    """Somebody who asks the second instance all the time; `seen` tells what of it."""
    node, (_, service) = both[0].node, both
    words = shlex.join(["python3", "-c", WATCH, str(service.receipt["port"]), f"Bearer {service.key}"])
    node.ssh(f"rm -f /run/watch; systemd-run --unit watch --property StandardOutput=file:/run/watch {words}")
    yield
    node.ssh("systemctl stop watch")


def seen(node: Node) -> set[str]:
    """Return what the watcher saw so far, each answer once; fail if that is next to nothing."""
    lines = node.ssh("cat /run/watch").splitlines()
    assert len(lines) > 20
    return set(lines)


def interrupted(
    running: subprocess.Popen[str], word: str, *, times: int = 1, until: Callable[[], object] = lambda: None
) -> Ran:
    """Press Ctrl-C once a word was said and `until` has come back, for all that the program has started too; wait."""
    assert running.stderr is not None
    said = []
    for line in running.stderr:
        said.append(line)
        if word in line:
            until()
            os.killpg(running.pid, signal.SIGINT)
            break
    if times > 1:
        for line in running.stderr:
            said.append(line)
            if "Ctrl-C again stops at once" in line:
                os.killpg(running.pid, signal.SIGINT)
                break
    ran = finish(running)
    return Ran(ran.code, ran.out, "".join(said) + ran.err)


def test_ctrl_c_while_it_fetches_leaves_the_host_as_it_was(up: Fleet) -> None:
    node = up.nodes[SECOND]
    asked = ("deploy", "recipe-3", "--yes", "--hub", HUB, "-l", SECOND)
    before = node.ssh("find /etc/systemd/system /etc/glmprov -type f -printf '%p %T@\n' | sort")
    up.fault(SECOND, "slow-hub", "400")
    try:
        ran = interrupted(start(up, *asked, prefix=("setsid",)), "downloading weights", times=2).expect(130)
        assert f"{SECOND}: interrupted; last seen: downloading weights" in ran.err
        assert "Run the same again to go on" in ran.err
        assert run(up, "lock", "status", "-l", SECOND, "--json").host(SECOND)["lock"] is None
        ran = interrupted(start(up, *asked, prefix=("setsid",)), "downloading weights").expect(130)
    finally:
        up.fault(SECOND, "slow-hub", "off")
    assert "what is in flight is finished" in ran.err
    assert "not begun: interrupted; what was fetched stays" in ran.out and "fetched: " in ran.out
    assert node.ssh("find /etc/systemd/system /etc/glmprov -type f -printf '%p %T@\n' | sort") == before
    assert node.ssh("ls /var/lib/glmprov/models") == "zai-org--GLM-4.7-FP8"


def test_a_hook_is_called_once_a_host_and_told_of_every_instance(
    up: Fleet, hooked: tuple[Ran, Path], both: list[Service]
) -> None:
    ran, told = hooked
    assert [each["word"] for each in ran.document["hosts"]] == ["DEPLOYED", "DEPLOYED"]
    before, after = (json.loads((told / event).read_text()) for event in ("before", "after"))
    keys = {"engine_service[one]", "engine_service[two]"}
    assert {change["key"] for change in before["changes"]} == keys
    assert len(before["facts"]["gpus"]) == 8 and before["result"] is None
    assert {key["key"]: key["result"] for key in after["result"]["keys"]} == dict.fromkeys(keys, "FIXED")
    act = run(up, "history", "-l", FIRST, "--json").host(FIRST)["acts"][-1]
    assert {change["key"]: change["result"] for change in act["changes"]} == dict.fromkeys(keys, "FIXED")
    for service in both:
        service.answers()


def test_a_hook_that_fails_or_hangs_stops_its_host(up: Fleet, both: list[Service], tmp_path: Path) -> None:
    before, hosts = (
        [service.identity for service in both],
        {name: as_it_is(up.nodes[name]) for name in up.nodes},
    )
    hook = f"[ $GLMPROV_HOST = {SECOND} ] && sleep 600; echo the pool is gone >&2; exit 7"
    hooks = ("--before", hook, "--after", f"touch {tmp_path}/after", "--hook-timeout", "2")
    asked = ("deploy", *two(seed=NEW), "--yes", "--hub", HUB, "--json")
    ran = run(up, *asked, *hooks).expect(1)
    errors = {(each["host"], each["name"]): each["error"]["message"] for each in ran.document["hosts"]}
    for name in ("one", "two"):
        assert "ended with 7" in errors[FIRST, name] and "the pool is gone" in errors[FIRST, name]
    assert "did not end within 2 s and was killed" in errors[SECOND, "one"]
    assert list(tmp_path.iterdir()) == []
    assert [service.identity for service in both] == before
    assert {name: as_it_is(node) for name, node in up.nodes.items()} == hosts


def test_what_fails_first_is_all_that_was_touched(
    up: Fleet, both: list[Service], watched: None, tmp_path: Path
) -> None:
    one, other = both
    before = other.identity
    up.fault(FIRST, "engine", "crash-at-load", "for", str(NEW))
    hook = f"cat > {tmp_path}/$GLMPROV_HOST"
    how = ("--serial", "1", "--max-fail-percentage", "50", "--after", hook)
    try:
        ran = run(up, "deploy", *two(seed=NEW), "--yes", "--hub", HUB, "--json", *how)
    finally:
        up.fault(FIRST, "engine", "off")
    ran.expect(5, quotes_an_engine=True)
    became = {(each["host"], each["name"]): each for each in ran.document["hosts"]}
    assert became[FIRST, "one"]["word"] == "RESTORED" and "serves again" in became[FIRST, "one"]["restored"]
    assert became[FIRST, "two"]["not_begun"] == "one was replaced before it on this host and did not serve"
    assert became[SECOND, "one"]["not_begun"] == "batch 1 ended the run: its only host failed"
    results = {
        key["key"]: key["result"] for key in json.loads((tmp_path / FIRST).read_text())["result"]["keys"]
    }
    assert results == {"engine_service[one]": "FAILED", "engine_service[two]": "SKIPPED"}
    assert not (tmp_path / SECOND).exists()
    assert other.identity == before and seen(other.node) == {"served"}
    assert up.nodes[SECOND].ssh("ls /etc/glmprov/instances 2>/dev/null || true") == ""
    one.answers()


def test_one_socket_at_a_time_is_what_fit_says_and_deploy_does(
    up: Fleet, both: list[Service], watched: None
) -> None:
    one, other = both
    fit = run(up, "recipe", "fit", "recipe-3", "--json", "-l", FIRST).expect(0).host(FIRST)
    assert fit["strategy"] == "one socket at a time"
    refused = deploy(up, FIRST, "recipe-3", "--port", "8002").expect(1)
    assert "to take the place of one: --name one, --name two" in " ".join(refused.out.split())

    # Ctrl-C in the middle of the first one's gate: that goes to its end, and the second one isn't begun.
    before = other.identity
    asked = ("deploy", *two(seed=NEW), "--yes", "--json", "--hub", HUB, "-l", FIRST)
    ran = interrupted(start(up, *asked, prefix=("setsid",)), "loading weights").expect(130)
    first, second = ran.document["hosts"]
    assert first["word"] == "DEPLOYED" and first["downtime_seconds"] > 0
    assert (second["word"], second["not_begun"]) == ("NOT BEGUN", "interrupted")
    assert other.identity == before and seen(other.node) == {"served"}
    one.answers()
    assert run(up, "lock", "status", "-l", FIRST, "--json").host(FIRST)["lock"] is None


def test_a_second_ctrl_c_does_not_leave_stopped_what_it_finds_stopping(
    up: Fleet, both: list[Service]
) -> None:
    one, _ = both
    up.fault(FIRST, "engine", "ignore-sigterm", "for", "8000")
    one.node.ssh(f"systemctl restart {one.unit}")
    up.fault(FIRST, "engine", "off")
    asked = ("deploy", "recipe-3", "--name", "one", "--yes", "--hub", HUB, "-l", FIRST)
    how = ("-e", json.dumps({"glmprov_instances": {"one": {"stop_seconds": 8, "set": {"seed": NEW + 1}}}}))
    stopping = (
        f"timeout 60 sh -c 'until systemctl is-active {one.unit} | grep -q deactivating; do sleep 0.1; done'"
    )
    ran = interrupted(
        start(up, *asked, *how, prefix=("setsid",)),
        "stopping what serves",
        times=2,
        until=lambda: one.node.ssh(stopping),
    ).expect(130)
    assert f"{FIRST}: interrupted; last seen: stopping what serves" in ran.err
    command = f"pgrep -f -- '[-]-seed {NEW + 1}' && systemctl is-active {one.unit}"
    one.node.ssh(f'timeout 90 sh -c "until {command}; do sleep 0.2; done"')
    one.answers()
    assert (
        deployed(deploy(up, FIRST, "recipe-3", "--name", "one", "--json", *how).expect(0))["word"]
        == "DEPLOYED"
    )
