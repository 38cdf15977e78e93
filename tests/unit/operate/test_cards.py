"""Who holds cards' memory and who listens, with real processes and an NVML that says who lives."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from glmprov.errors import ApplyError
from glmprov.operate import cards
from glmprov.remote import Channel

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="root's own, as on a host")

UUID, OTHER = "GPU-1", "GPU-2"
NVML = """
import os, types
FOLDER = {folder!r}
def nvmlInit(): pass
def nvmlDeviceGetCount(): return 2
def nvmlDeviceGetHandleByIndex(index): return index + 1
def nvmlDeviceGetUUID(handle): return "GPU-%d" % handle
def holding(handle):
    pids = [int(name) for name in os.listdir(os.path.join(FOLDER, str(handle)))]
    stats = {{pid: "/proc/%d/stat" % pid for pid in pids}}
    return [pid for pid, stat in stats.items() if os.path.exists(stat) and open(stat).read().split()[2] != "Z"]
def nvmlDeviceGetMemoryInfo(handle):
    return types.SimpleNamespace(used=(500 << 20) + (90 << 30) * len(holding(handle)))
def nvmlDeviceGetComputeRunningProcesses_v3(handle):
    return [types.SimpleNamespace(pid=pid, usedGpuMemory=90 << 30) for pid in holding(handle)]
def nvmlDeviceGetGraphicsRunningProcesses_v3(handle): return []
"""

Hold = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hold]:
    """A function that starts a process which holds a card's memory."""
    started: list[subprocess.Popen[bytes]] = []
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
    monkeypatch.setattr(cards, "nvml_source", lambda: NVML.format(folder=str(tmp_path)))

    def hold(card: int, *, stubborn: bool = False) -> subprocess.Popen[bytes]:
        deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " if stubborn else ""
        program = deaf + "print('up', flush=True); import time; time.sleep(300)"
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        assert process.stdout and process.stdout.readline()
        (tmp_path / str(card) / str(process.pid)).touch()
        started.append(process)
        return process

    yield hold
    for process in started:
        process.kill()
        process.wait()


def start_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def recorded(*processes: subprocess.Popen[bytes]) -> list[tuple[int, str]]:
    return [(process.pid, start_of(process.pid)) for process in processes]


def test_who_holds_which_card(channel: Channel, hold: Hold) -> None:
    process = hold(2)
    seen = cards.memory(channel, "here", [UUID, OTHER])
    assert seen[UUID].processes == () and seen[UUID].used_bytes == 500 << 20
    (who,) = seen[OTHER].processes
    assert (who.pid, who.started) == (process.pid, start_of(process.pid))
    assert who.used_bytes == 90 << 30 and "time.sleep" in who.command
    with pytest.raises(ApplyError, match="not there: GPU-9"):
        cards.memory(channel, "here", ["GPU-9"])


def test_cards_that_nobody_holds_are_free_at_once(channel: Channel, hold: Hold) -> None:
    freed = cards.free(channel, "here", [UUID], marks=["glmprov-x.service"])
    assert freed.ended == () and freed.seconds < 5


def test_ours_is_asked_to_end_and_then_made_to(
    channel: Channel, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cards, "TERM_SECONDS", 0.5)
    polite, stubborn, elsewhere = hold(1), hold(1, stubborn=True), hold(2)
    freed = cards.free(channel, "here", [UUID], marks=[], recorded=recorded(polite, stubborn))
    assert {who.pid: who.killed for who in freed.ended} == {polite.pid: False, stubborn.pid: True}
    assert polite.wait(5) and stubborn.wait(5) and elsewhere.poll() is None


def test_a_strangers_process_is_named_and_left_alone_and_so_is_ours_then(
    channel: Channel, hold: Hold
) -> None:
    ours, theirs = hold(1), hold(1)
    with pytest.raises(ApplyError, match=rf"somebody else holds .*pid {theirs.pid}") as caught:
        cards.free(channel, "here", [UUID], marks=["no-such.service"], recorded=recorded(ours))
    assert str(ours.pid) not in caught.value.message
    assert ours.poll() is None and theirs.poll() is None


def test_a_pid_that_is_another_processs_by_now_is_a_stranger(channel: Channel, hold: Hold) -> None:
    process = hold(1)
    with pytest.raises(ApplyError, match="somebody else"):
        cards.free(channel, "here", [UUID], marks=[], recorded=[(process.pid, "1")])
    assert process.poll() is None


def test_a_mark_is_found_in_the_control_group(channel: Channel, hold: Hold) -> None:
    process = hold(1)
    group = Path(f"/proc/{process.pid}/cgroup").read_text().strip().rpartition(":")[2].strip("/")
    if not group:
        pytest.skip("this machine has no control group of a name")
    freed = cards.free(channel, "here", [UUID], marks=[group.split("/")[-1]])
    assert [who.pid for who in freed.ended] == [process.pid]


def test_without_nvml_the_reason_is_told(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = "def nvmlInit(): raise OSError('NVML Shared Library Not Found')"
    monkeypatch.setattr(cards, "nvml_source", lambda: broken)
    with pytest.raises(ApplyError, match="NVML Shared Library Not Found"):
        cards.free(channel, "here", [UUID], marks=[])


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_who_listens_at_a_port(channel: Channel, family: socket.AddressFamily) -> None:
    with socket.socket(family) as listening:
        try:
            listening.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        except OSError:
            pytest.skip("no such address here")
        port = listening.getsockname()[1]
        assert cards.listener(channel, "here", port) is None  # bound, and doesn't listen
        listening.listen()
        who = cards.listener(channel, "here", port)
        assert who is not None and who.pid == os.getpid()
    assert cards.listener(channel, "here", port) is None
