"""Hooks: what they read, and what becomes of one that fails or hangs."""

from __future__ import annotations

import json
import os
import select
import time
from contextlib import suppress
from pathlib import Path

import pytest
from unit.summary import observation

from glmprov.actions.changing.hooks import Hooks, call, hooks_of
from glmprov.actions.changing.orders import Orders
from glmprov.drift import Difference, Verdict
from glmprov.errors import HookError, InventoryError
from glmprov.inventory import Host
from glmprov.report.json import hook_call
from glmprov.results.hook import HookCall
from glmprov.results.provision import HostProvision
from glmprov.results.review import HostReview

CHANGE = Difference("gpu-1", "nccl_env.env[NCCL_P2P_LEVEL]", "SYS", None, Verdict.DRIFT)
BEFORE = HookCall("before", 2, HostReview("gpu-1", observation({"cards": [{}]})), (CHANGE,))


def test_a_hook_reads_host_facts_and_changes(tmp_path: Path) -> None:
    file = tmp_path / "read"
    call(f'echo "$GLMPROV_EVENT $GLMPROV_HOST" > {file}.env; cat > {file}', BEFORE, hook_call, 60)
    read = json.loads(file.read_text())
    assert (read["schema"], read["event"], read["host"], read["batch"]) == (
        "glmprov/hook/1",
        "before",
        "gpu-1",
        2,
    )
    assert [each["key"] for each in read["changes"]] == [CHANGE.key]
    assert len(read["facts"]["cards"]) == 1 and read["result"] is None
    assert (tmp_path / "read.env").read_text() == "before gpu-1\n"


def test_a_hook_afterwards_reads_what_became_of_the_host(tmp_path: Path) -> None:
    after = HookCall("after", 1, BEFORE.review, (), HostProvision("gpu-1", rebooted=True))
    call(f"cat > {tmp_path / 'read'}", after, hook_call, 60)
    assert json.loads((tmp_path / "read").read_text())["result"]["rebooted"] is True


def test_a_hook_need_not_read() -> None:
    big = HookCall("before", 1, BEFORE.review, (CHANGE,) * 5000)
    call("true", big, hook_call, 60)


def test_a_hook_that_fails_is_shown_with_its_words() -> None:
    with pytest.raises(HookError) as caught:
        call("echo no such pool >&2; exit 7", BEFORE, hook_call, 60)
    assert "ended with 7" in caught.value.message and "no such pool" in caught.value.message
    assert (caught.value.host, caught.value.place) == ("gpu-1", "hook before")


def test_a_hook_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    began = time.monotonic()
    with pytest.raises(HookError, match="did not end within"):
        call(f"sleep 600 & echo $! > {file}; wait", BEFORE, hook_call, 3)
    assert time.monotonic() - began < 60
    with suppress(ProcessLookupError):  # gone already, and its parent has taken notice
        child = os.pidfd_open(int(file.read_text()))
        assert select.select([child], [], [], 30)[0], "it still runs"
        os.close(child)


def test_what_a_hook_leaves_in_the_background_is_not_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    call(f"sleep 600 & echo $! > {file}", BEFORE, hook_call, 60)
    os.kill(int(file.read_text()), 9)


def test_the_command_line_wins_over_the_inventory() -> None:
    host = Host("gpu-1", {"glmprov_hook_before": "drain", "glmprov_hook_after": "undrain"})
    assert hooks_of(host, Orders()) == Hooks("drain", "undrain")
    assert hooks_of(host, Orders(before="silence")) == Hooks("silence", "undrain")
    assert hooks_of(Host("gpu-2", {}), Orders()) == Hooks()


@pytest.mark.parametrize("value", [["drain", "gpu-1"], 7, "drain {{ inventory_hostname }}"])
def test_what_is_no_command_is_refused_with_its_place(value: object) -> None:
    with pytest.raises(InventoryError, match="glmprov_hook_after"):
        hooks_of(Host("gpu-1", {"glmprov_hook_after": value}), Orders())
