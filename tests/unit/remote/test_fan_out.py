"""The same work on many hosts."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import pytest

from glmprov.errors import UnreachableError
from glmprov.inventory import Host
from glmprov.remote import Completed, connect, interruption
from glmprov.remote.fan_out import by_host, for_each

HOSTS = [Host(f"gpu-{number}") for number in range(8)]


def test_one_bad_host_stops_no_other() -> None:
    def work(host: Host) -> str:
        if host.name == "gpu-3":
            raise UnreachableError("gone")
        return host.name.upper()

    results = {host.name: result for host, result in for_each(HOSTS, work, forks=3)}
    assert len(results) == 8
    error = results.pop("gpu-3")
    assert isinstance(error, UnreachableError) and error.host == "gpu-3"
    assert results == {host.name: host.name.upper() for host in HOSTS if host.name != "gpu-3"}


def test_results_by_host_are_in_the_hosts_order() -> None:
    first_ends_last = threading.Event()

    def work(host: Host) -> str:
        if host.name == "gpu-0":
            assert first_ends_last.wait(10)
        if host.name == "gpu-1":
            first_ends_last.set()
            raise UnreachableError("gone")
        return "well"

    found = by_host(HOSTS, work, lambda host, error: f"{error.message} from {host}", forks=2)
    assert list(found) == [host.name for host in HOSTS]
    assert (found["gpu-0"], found["gpu-1"]) == ("well", "gone from gpu-1")


def test_results_come_as_they_come_in() -> None:
    hold = threading.Event()

    def work(host: Host) -> None:
        if host.name == "gpu-0":
            assert hold.wait(10)

    order = []
    for host, _ in for_each(HOSTS, work, forks=8):
        order.append(host.name)
        if len(order) == 7:
            hold.set()
    assert order[-1] == "gpu-0"


def test_no_more_than_forks_at_once() -> None:
    both = threading.Barrier(2)
    at_work: list[int] = []

    def work(_: Host) -> None:
        at_work.append(1)
        both.wait(10)
        assert len(at_work) <= 2
        both.wait(10)
        at_work.pop()
        both.wait(10)

    assert all(result is None for _, result in for_each(HOSTS, work, forks=2))


def test_an_interruption_begins_no_further_host() -> None:
    begun = []

    def work(host: Host) -> None:
        begun.append(host.name)
        if len(begun) > 1:
            interruption.wait(60)

    with pytest.raises(KeyboardInterrupt):
        for _ in for_each([Host(f"gpu-{n}") for n in range(500)], work, forks=1):
            raise KeyboardInterrupt
    assert len(begun) <= 2


def test_a_fault_of_ours_is_raised() -> None:
    def work(_: Host) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(for_each(HOSTS, work))


def test_no_host_is_no_work() -> None:
    assert list(for_each([], lambda host: host)) == []


def test_ctrl_c_hangs_up_what_runs(tmp_path: Path) -> None:
    here = Host("here", {"ansible_connection": "local"})
    begun = time.monotonic()

    def work(_: Host) -> Completed:
        with connect(here) as channel:
            return channel.run(["sh", "-c", f"touch {tmp_path}/runs; exec sleep 60"], deadline_seconds=60)

    def press() -> None:
        while not (tmp_path / "runs").exists():
            time.sleep(0.01)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=press).start()
    with pytest.raises(KeyboardInterrupt):
        list(for_each([here], work))
    assert time.monotonic() - begun < 20
    with connect(here) as channel:
        assert channel.run(["true"]).returncode == 0


def test_ctrl_c_ends_the_wait_for_a_host_that_boots() -> None:
    waits = threading.Event()
    begun = time.monotonic()

    def work(_: Host) -> None:
        waits.set()
        interruption.wait(60)

    def press() -> None:
        waits.wait()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=press).start()
    with pytest.raises(KeyboardInterrupt):
        list(for_each([Host("rig")], work))
    assert time.monotonic() - begun < 20
