"""Locks, receipts and history, on this machine as the host, in a folder of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from glmprov.errors import ApplyError, ExitCode, LockError
from glmprov.history import HISTORY_LIMIT_BYTES, Entry, Event, History, to_line
from glmprov.inventory import Host
from glmprov.journal import history, lock, receipts
from glmprov.journal.lock import LEASE_SECONDS, Lock, owner
from glmprov.receipt import Receipt, from_json
from glmprov.remote import Channel, connect
from glmprov.state import HostState, NcclEnv

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the journal is root's")


@pytest.fixture
def channel() -> Channel:
    return connect(Host("here", {"ansible_connection": "local"}))


def _lock(channel: Channel, home: Path, reason: str = "provision", lease_seconds: float = 60.0) -> Lock:
    return Lock(channel, "here", reason, lease_seconds=lease_seconds, home=str(home))


def _change(home: Path, change: Callable[[dict[str, object]], None]) -> None:
    lock = json.loads((home / "lock.json").read_text())
    change(lock)
    (home / "lock.json").write_text(json.dumps(lock))


def test_a_lock_is_there_within_its_block(channel: Channel, tmp_path: Path) -> None:
    home = tmp_path / "glmprov"
    assert lock.status(channel, home=str(home)) is None
    with _lock(channel, home):
        state = lock.status(channel, home=str(home))
        assert state and state.live and state.reason == "provision" and f"pid {os.getpid()}" in state.owner
        assert 0 < state.seconds_left <= 60
    assert lock.status(channel, home=str(home)) is None


def test_a_second_one_is_refused_and_told_who_holds_it(channel: Channel, tmp_path: Path) -> None:
    with _lock(channel, tmp_path, reason="first"):
        with pytest.raises(LockError) as caught, _lock(channel, tmp_path, reason="second"):
            pass
        assert caught.value.exit_code is ExitCode.LOCKED
        assert owner() in caught.value.message and "first" in caught.value.message
        assert caught.value.next_step and "glmprov lock release here" in caught.value.next_step
        state = lock.status(channel, home=str(tmp_path))
        assert state and state.reason == "first"


def test_an_expired_lock_is_taken_over_with_a_remark(channel: Channel, tmp_path: Path) -> None:
    lost = _lock(channel, tmp_path, reason="died", lease_seconds=-1)
    with lost:
        with _lock(channel, tmp_path) as ours:
            assert ours.expired and ours.expired.reason == "died" and not ours.expired.live
            with pytest.raises(LockError):
                lost.renew()
            assert lost.lost
        assert lock.status(channel, home=str(tmp_path)) is None


def test_the_lock_of_a_process_of_ours_that_is_gone_is_taken_over_at_once(
    channel: Channel, tmp_path: Path
) -> None:
    with _lock(channel, tmp_path, reason="killed"):
        _change(tmp_path, lambda lock: lock["holder"].update(started="1"))  # type: ignore[attr-defined]
        with _lock(channel, tmp_path) as ours:
            assert ours.expired and ours.expired.reason == "killed" and ours.expired.live


@pytest.mark.parametrize("name", ["user", "controller", "boot_id", "processes"])
def test_the_lock_of_a_process_elsewhere_is_not(channel: Channel, tmp_path: Path, name: str) -> None:
    with _lock(channel, tmp_path):
        _change(
            tmp_path,
            lambda lock: lock["holder"].update({"started": "1", name: "another"}),  # type: ignore[attr-defined]
        )
        with pytest.raises(LockError), _lock(channel, tmp_path):
            pass


def test_a_lock_that_was_left_is_taken_away_and_no_other(channel: Channel, tmp_path: Path) -> None:
    home = str(tmp_path)
    assert lock.release_left(channel, home=home) is None
    with _lock(channel, tmp_path, reason="killed"):
        assert lock.release_left(channel, home=home) is None
        _change(tmp_path, lambda there: there["holder"].update(started="1"))  # type: ignore[attr-defined]
        left = lock.release_left(channel, home=home)
        assert left and left.reason == "killed"
        assert lock.status(channel, home=home) is None


def test_a_lock_survives_a_reboot_of_ours_by_the_wall_clock(channel: Channel, tmp_path: Path) -> None:
    with _lock(channel, tmp_path) as ours:
        ours.expect_reboot()
        _change(
            tmp_path, lambda lock: lock["renewed"].update(boot_id="the boot before", monotonic_seconds=9e9)
        )  # type: ignore[attr-defined]
        state = lock.status(channel, home=str(tmp_path))
        assert state and state.live and state.reboot_expected and state.seconds_left > 1000
        with pytest.raises(LockError, match="being rebooted"), _lock(channel, tmp_path):
            pass
        ours.came_back(channel)
        state = lock.status(channel, home=str(tmp_path))
        assert state and not state.reboot_expected and state.seconds_left <= LEASE_SECONDS


def test_a_released_lock_is_noticed(channel: Channel, tmp_path: Path) -> None:
    with _lock(channel, tmp_path) as ours:
        taken = lock.release(channel, home=str(tmp_path))
        assert taken and taken.reason == "provision"
        with pytest.raises(LockError):
            ours.renew()
    assert lock.release(channel, home=str(tmp_path)) is None


def test_a_lease_is_renewed_while_its_owner_lives(channel: Channel, tmp_path: Path) -> None:
    with _lock(channel, tmp_path, lease_seconds=3) as ours:
        first = json.loads((tmp_path / "lock.json").read_text())["renewed"]
        while json.loads((tmp_path / "lock.json").read_text())["renewed"] == first:
            assert ours._thread.is_alive()
            ours._done.wait(0.05)


def test_a_damaged_lock_keeps_nobody_out(channel: Channel, tmp_path: Path) -> None:
    (tmp_path / "lock.json").write_text('{"token": ')
    with _lock(channel, tmp_path) as ours:
        assert ours.expired and ours.expired.reason == "the lock file is damaged"


def test_a_receipt_is_written_as_it_is(channel: Channel, tmp_path: Path) -> None:
    expected = HostState(nccl_env=NcclEnv(profile="latency", env={"NCCL_P2P_LEVEL": "SYS"}))
    receipt = Receipt("2026-11-22T00:00:00Z", "ops", "controller", "0.1.0", expected, cards=("GPU-1",))
    receipts.write(channel, receipt, home=str(tmp_path))
    assert from_json((tmp_path / "receipt.json").read_text()) == receipt
    assert (tmp_path / "receipt.json").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["receipt.json"]


def _entry(run: str, event: Event = Event.DONE, reason: str = "") -> Entry:
    return Entry("2026-11-22T00:00:00+00:00", run, event, "provision", "ops@desk (pid 1)", "0.1.0", reason)


def test_the_history_grows_at_its_end_and_anybody_may_read_it(channel: Channel, tmp_path: Path) -> None:
    home = tmp_path / "glmprov"
    before = os.umask(0o077)
    try:
        assert history.read(channel, home=str(home)) == (History(), None)
        history.append(channel, _entry("a"), home=str(home))
    finally:
        os.umask(before)
    history.append(channel, _entry("b"), home=str(home))
    found, lock = history.read(channel, home=str(home))
    assert [entry.run for entry in found.entries] == ["a", "b"] and lock is None
    assert home.stat().st_mode & 0o777 == 0o755
    assert (home / "history.jsonl").stat().st_mode & 0o777 == 0o644


def test_an_entry_after_one_that_was_cut_off_is_whole(channel: Channel, tmp_path: Path) -> None:
    history.append(channel, _entry("a"), home=str(tmp_path))
    path = tmp_path / "history.jsonl"
    path.write_text(path.read_text() + '{"at": "2026-11-2')
    history.append(channel, _entry("b"), home=str(tmp_path))
    found, _ = history.read(channel, home=str(tmp_path))
    assert [entry.run for entry in found.entries] == ["a", "b"] and found.unread == 1


def test_the_history_is_bounded_and_keeps_the_newest(channel: Channel, tmp_path: Path) -> None:
    path, text = tmp_path / "history.jsonl", "é" * 1000
    lines = [to_line(_entry(str(number), reason=text)) for number in range(HISTORY_LIMIT_BYTES // 2000)]
    path.write_text("".join(lines))
    history.append(channel, _entry("newest"), home=str(tmp_path))
    found, _ = history.read(channel, home=str(tmp_path))
    assert path.stat().st_size <= HISTORY_LIMIT_BYTES // 2
    assert [entry.run for entry in found.entries][-2:] == [str(len(lines) - 1), "newest"]
    assert found.unread == 0


def test_a_link_in_the_place_of_the_history_is_not_followed(channel: Channel, tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").symlink_to("/etc/passwd")
    with pytest.raises(ApplyError, match="append failed"):
        history.append(channel, _entry("a"), home=str(tmp_path))


def test_what_a_key_was_before_is_kept_once(channel: Channel, tmp_path: Path) -> None:
    first = history.begin(channel, _entry("a", Event.BEGUN), {"a.b": 600}, home=str(tmp_path))
    second = history.begin(channel, _entry("b", Event.BEGUN), {"a.b": 400, "a.c": None}, home=str(tmp_path))
    assert first == {"a.b": 600}
    assert second == {"a.b": 600, "a.c": None}
    found, _ = history.read(channel, home=str(tmp_path))
    assert [entry.run for entry in found.entries] == ["a", "b"]


def test_a_full_disk_leaves_no_half_line(channel: Channel, tmp_path: Path) -> None:
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(tmp_path)]).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        history.append(channel, _entry("a"), home=str(tmp_path))
        with pytest.raises(ApplyError, match="No space left"):
            history.append(channel, _entry("b", reason="x" * 40_000), home=str(tmp_path))
        found, _ = history.read(channel, home=str(tmp_path))
        assert [entry.run for entry in found.entries] == ["a"] and found.unread == 0
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
