"""Provisioning many hosts, some of which serve: batches, hooks, an end in time, Ctrl-C, a killed controller.

The hosts are provisioned, and drift in what is quickly mended.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from glmprov_program import Ran, finish, keys, run, start
from rehearsal import Fleet, Node

pytestmark = pytest.mark.fleet

FIRST, SECOND = "turin-8x", "genoa-4x"
FILE = "/etc/glmprov/nccl.env"
IN_BATCHES = ("provision", "--yes", "--json", "--serial", "1")

# sleep and what it is linked with: an image that a node can make by itself, and that starts.
IMAGE = """\
tar ch -C / bin/sleep lib64/ld-linux-x86-64.so.2 lib/x86_64-linux-gnu/libc.so.6 | docker import - engine:1"""


@pytest.fixture
def drifted(provisioned: Fleet) -> Fleet:
    """Both hosts, each without a file that is quickly written again."""
    for node in provisioned.nodes.values():
        node.ssh(f"rm -f {FILE}")
    return provisioned


def is_mended(node: Node) -> bool:
    return node.try_ssh(f"test -e {FILE}").returncode == 0


def results(ran: Ran, host: str) -> set[str]:
    return {each["result"] for each in ran.host(host)["keys"]}


def test_batches_follow_each_other_and_hooks_know_the_host(drifted: Fleet, tmp_path: Path) -> None:
    hook = f"cat > {tmp_path}/$GLMPROV_EVENT-$GLMPROV_HOST"
    ran = run(drifted, *IN_BATCHES, "--before", hook, "--after", hook).expect(0)
    assert [ran.host(name)["batch"] for name in (FIRST, SECOND)] == [1, 2]
    assert results(ran, FIRST) == results(ran, SECOND) == {"FIXED"}

    told = {path.name: json.loads(path.read_text()) for path in tmp_path.iterdir()}
    assert set(told) == {f"{event}-{name}" for event in ("before", "after") for name in (FIRST, SECOND)}
    before, after = told[f"before-{SECOND}"], told[f"after-{SECOND}"]
    assert len(before["facts"]["gpus"]) == 4 and before["batch"] == 2 and before["result"] is None
    assert [each["key"] for each in before["changes"]] == ["nccl_env.env[NCCL_P2P_LEVEL]"]
    assert [each["result"] for each in after["result"]["keys"]] == ["FIXED"]
    ended, began = (tmp_path / f"after-{FIRST}").stat(), (tmp_path / f"before-{SECOND}").stat()
    assert ended.st_mtime_ns < began.st_mtime_ns
    run(drifted, "audit").expect(0)


def test_after_the_time_nothing_begins(drifted: Fleet, tmp_path: Path) -> None:
    hook = f"touch {tmp_path}/$GLMPROV_HOST"
    late = ("--until", "2020-01-01T05:00", "--before", hook, "--reboot")
    ran = run(drifted, "provision", "--yes", "--json", *late).expect(3)
    for name in (FIRST, SECOND):
        assert ran.host(name)["not_begun"] == "it is past 2020-01-01 05:00"
        assert not ran.host(name)["applied"] and not is_mended(drifted.nodes[name])
    assert list(tmp_path.iterdir()) == []
    said = run(drifted, "provision", "--yes", *late).expect(3).out
    assert "not begun: it is past" in said and "2 hosts: 2 not begun" in said


def test_a_canary_that_fails_ends_the_run(drifted: Fleet) -> None:
    ran = run(drifted, *IN_BATCHES, "--before", "echo the pool is gone >&2; exit 7").expect(1)
    error = ran.host(FIRST)["error"]
    assert error["kind"] == "HookError" and "ended with 7" in error["message"]
    assert "the pool is gone" in error["message"] and not is_mended(drifted.nodes[FIRST])
    assert ran.host(SECOND)["not_begun"] == "batch 1 ended the run: its only host failed"
    assert not is_mended(drifted.nodes[SECOND])


def test_a_hook_that_hangs_stops_its_host_only(drifted: Fleet) -> None:
    before = f"[ $GLMPROV_HOST != {SECOND} ] || sleep 600"
    ran = run(drifted, "provision", "--yes", "--json", "--before", before, "--hook-timeout", "2").expect(1)
    assert "did not end within 2 s and was killed" in ran.host(SECOND)["error"]["message"]
    assert not is_mended(drifted.nodes[SECOND]) and results(ran, FIRST) == {"FIXED"}
    assert run(drifted, "lock", "status", "--json").host(SECOND)["lock"] is None


def test_a_hook_that_fails_afterwards_marks_its_host(drifted: Fleet) -> None:
    ran = run(drifted, "provision", "--yes", "--json", "--after", f"[ $GLMPROV_HOST = {FIRST} ]").expect(1)
    assert ran.host(SECOND)["error"]["place"] == "hook after" and results(ran, SECOND) == {"FIXED"}
    assert ran.host(FIRST)["error"] is None
    run(drifted, "audit").expect(0)


def test_a_host_that_moved_on_is_refused_and_the_others_are_not(drifted: Fleet) -> None:
    ssh = f"ssh -F {drifted.nodes[SECOND].ssh_config} -l root {SECOND}"
    before = f"[ $GLMPROV_HOST != {FIRST} ] || {ssh} sysctl -w vm.swappiness=33 </dev/null"
    ran = run(drifted, *IN_BATCHES, "--before", before).expect(1)
    error = ran.host(SECOND)["error"]
    assert error["kind"] == "MovedOnError" and "vm.swappiness" in error["message"]
    assert results(ran, FIRST) == {"FIXED"} and not is_mended(drifted.nodes[SECOND])
    run(drifted, "provision", "--yes").expect(0)


def test_a_controller_killed_between_batches_is_taken_up_again(drifted: Fleet) -> None:
    before = f"[ $GLMPROV_HOST != {SECOND} ] || kill -KILL $PPID"
    killed = finish(start(drifted, *IN_BATCHES, "--before", before))
    assert killed.code == -signal.SIGKILL
    assert is_mended(drifted.nodes[FIRST]) and not is_mended(drifted.nodes[SECOND])
    assert run(drifted, "lock", "status", "--json").host(SECOND)["lock"]["seconds_left"] > 0

    again = run(drifted, *IN_BATCHES).expect(0)
    assert "took over the lock" in again.err and "its process is gone" in again.err
    assert again.host(FIRST)["keys"] == [] and results(again, SECOND) == {"FIXED"}
    run(drifted, "audit").expect(0)


def first_change(running: Any, host: str) -> None:
    """Wait until Ansible has changed something on a host."""
    assert any(line.startswith(f"{host}  changed") for line in running.stderr)


def test_a_controller_killed_while_ansible_works_is_taken_up_again(drifted: Fleet) -> None:
    for node in drifted.nodes.values():
        node.ssh("sysctl -w vm.swappiness=33")
    running = start(drifted, "provision", "--yes", "--json")
    first_change(running, SECOND)
    running.kill()
    finish(running)
    run(drifted, "provision", "--yes").expect(0)
    run(drifted, "audit").expect(0)
    status = run(drifted, "lock", "status", "--json")
    assert all(status.host(name)["lock"] is None for name in (FIRST, SECOND))


def test_an_interrupt_lets_what_is_in_flight_end_and_begins_nothing_new(drifted: Fleet) -> None:
    drifted.nodes[FIRST].ssh("sysctl -w vm.swappiness=33")
    running = start(drifted, *IN_BATCHES)
    first_change(running, FIRST)
    running.send_signal(signal.SIGINT)
    ran = finish(running).expect(130)
    assert "what is in flight is finished" in ran.err
    assert results(ran, FIRST) == {"FIXED"} and ran.host(FIRST)["not_begun"] == ""
    assert ran.host(SECOND)["not_begun"] == "interrupted" and not is_mended(drifted.nodes[SECOND])
    status = run(drifted, "lock", "status", "--json")
    assert all(status.host(name)["lock"] is None for name in (FIRST, SECOND))
    assert run(drifted, *IN_BATCHES).expect(0).host(FIRST)["keys"] == []


@pytest.fixture
def engine(provisioned: Fleet) -> Iterator[str]:
    """A container on the second host that holds memory of a card, as an inference engine does; its id.

    The host runs with a kernel line that isn't ours.
    """
    node = provisioned.nodes[SECOND]
    node.ssh("rm -f /etc/default/grub.d/90-glmprov.cfg && update-grub")
    provisioned.reboot(SECOND)
    node.ssh(IMAGE)
    container = node.ssh("docker run --detach --name engine engine:1 sleep infinity")
    held = "/run/glmlab/cards/0000:01:00.0/holders"
    node.ssh(f"mkdir -p {held} && echo 1073741824 > {held}/$(docker inspect -f '{{{{.State.Pid}}}}' engine)")
    yield container
    node.ssh(f"rm -rf {held}; docker rm --force engine")


def alive(node: Node) -> tuple[str, ...]:
    """Return what an interruption would change: the container's process, the daemon's, the boot."""
    container = node.ssh("docker inspect -f '{{.Id}} {{.State.Pid}} {{.State.Running}}' engine")
    return container, node.ssh("systemctl show -P MainPID docker"), node.boot_id


def test_an_instance_that_serves_survives(drifted: Fleet, engine: str) -> None:
    node = drifted.nodes[SECOND]
    node.ssh("echo '{}' > /etc/docker/daemon.json; apt-mark unhold nvidia-kernel-open-dkms")
    waiting = {
        "container_engine.daemon[runtimes.nvidia.path]",
        "container_engine.daemon[exec-opts]",
        "container_engine.daemon[registry-mirrors]",
        "host_tuning.kernel_arguments[iommu].declared",
        "host_tuning.kernel_arguments[iommu].effective",
    }
    before = alive(node)
    assert set(run(drifted, "plan", "--json").host(SECOND)["waiting"]) == waiting
    assert "waiting while container engine serves" in run(drifted, "plan").out

    asked = ("provision", "--yes", "--json", "--reboot")
    ran = run(drifted, *asked, "-l", SECOND, "-e", "gpu_driver_branch=595").expect(3).host(SECOND)
    became = {each["key"]: each["result"] for each in ran["keys"]}
    fixed = {"gpu_driver.held[nvidia-kernel-open-dkms]", "nccl_env.env[NCCL_P2P_LEVEL]"}
    left = waiting | {"gpu_driver.branch"}
    assert became == dict.fromkeys(left, "WAITS") | dict.fromkeys(fixed, "FIXED")
    assert alive(node) == before and engine in before[0]
    assert "595" not in node.ssh("dpkg-query -W -f '${Version} ' '*nvidia*'")
    assert keys(run(drifted, "audit", "--json").expect(3).host(SECOND)) == waiting

    ran = run(drifted, *asked).expect(3).host(SECOND)
    assert ran["waiting"]["serving"] == ["container engine"]
    command = ran["waiting"]["command"].split()
    assert command[:2] == ["glmprov", "provision"] and command[-2:] == ["docker,reboot", "--reboot"]
    ran = run(drifted, *command[1:], "--yes", "--json").expect(0).host(SECOND)
    assert {each["result"] for each in ran["keys"]} == {"FIXED"} and ran["rebooted"]
    assert node.boot_id != before[-1]
    run(drifted, "audit").expect(0)
