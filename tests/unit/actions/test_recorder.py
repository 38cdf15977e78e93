"""What a run enters into a host's history, on this machine as the host."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from unit.summary import observation

from glmprov.actions.changing.record import Recorder
from glmprov.actions.observe import Fleet
from glmprov.drift import Difference, Verdict
from glmprov.errors import LockError
from glmprov.history import End, acts
from glmprov.inventory import Host
from glmprov.journal import history
from glmprov.journal.lock import status
from glmprov.plan import build
from glmprov.receipt import LockState, Receipt, from_json
from glmprov.remote import connect
from glmprov.results.provision import HostProvision, KeyResult, Mended
from glmprov.settings import from_variables
from glmprov.state import ContainerEngine, Dropped, HostState, Unknown

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the journal is root's")

HERE = Host("here", {"ansible_connection": "local"})
KEYS = [
    Difference("here", key, 400, 600, Verdict.DRIFT)
    for key in ("a.b", "a.c", "gpu_power.files[/etc/glmprov/gpu-power.conf]")
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "glmprov"


def _recorder(home: Path, *, keeps_before: bool = True) -> Recorder:
    return Recorder(Fleet((HERE,)), "why", lambda *_: None, home=str(home), keeps_before=keeps_before)


def _acts(home: Path) -> list[tuple[End, int]]:
    with connect(HERE) as channel:
        found, _ = history.read(channel, home=str(home))
    return [(act.end, len(act.entry.changes)) for act in acts(found.entries)]


def test_a_run_that_ends_is_one_change_with_both_its_ends(home: Path) -> None:
    recorder = _recorder(home)
    assert recorder.begin([(HERE, KEYS[:1])]) == {}
    assert recorder.begin([(HERE, KEYS)]) == {}, "only what is new is entered"
    assert _acts(home) == [(End.NEVER_FINISHED, 3)]
    done = KeyResult("a.b", 600, 400, 400, Mended.FIXED)
    waits = KeyResult("a.c", 600, 400, 600, Mended.WAITS)
    recorder.finish([(HERE, HostProvision("here", (done, waits)))])
    assert _acts(home) == [(End.DONE, 1)]
    recorder.finish([(HERE, HostProvision("here"))])
    assert _acts(home) == [(End.DONE, 1)]


def test_a_host_with_nothing_to_do_has_no_history(home: Path) -> None:
    recorder = _recorder(home)
    assert recorder.begin([(HERE, [])]) == {}
    recorder.finish([(HERE, HostProvision("here"))])
    assert not home.exists()


def test_values_are_kept_as_they_were_and_files_are_not(home: Path) -> None:
    _recorder(home).begin([(HERE, KEYS)])
    assert (home / "before.json").read_text().count(": 600") == 2


def test_taking_back_keeps_nothing(home: Path) -> None:
    _recorder(home, keeps_before=False).begin([(HERE, KEYS)])
    assert not (home / "before.json").exists()


def test_a_host_that_cannot_keep_its_history_is_told(home: Path) -> None:
    home.mkdir()
    (home / "history.jsonl").symlink_to("/dev/null")
    failed = _recorder(home).begin([(HERE, KEYS)])
    assert "begin failed" in failed["here"].message


def test_a_receipt_that_is_written_anew_knows_what_was_before(home: Path) -> None:
    recorder = _recorder(home)
    recorder.begin([(HERE, KEYS)])
    seen = replace(observation({"cards": [{}], "driver": "580.95.05"}), receipt=Unknown("edited by hand"))
    settings = from_variables("here", {})
    assert _recorder(home).write_receipts([(HERE, settings, build(settings, seen), seen)]) == {}
    receipt = from_json((home / "receipt.json").read_text())
    assert receipt.before == {"a.b": 600, "a.c": 600}


def test_a_key_of_daemon_json_that_is_settled_is_forgotten(home: Path) -> None:
    """What somebody sets there later is theirs: neither a plan nor taking back may go by what was before our time."""
    gone, kept = (f"container_engine.daemon[{path}]" for path in ("live-restore", "runtimes.nvidia.path"))
    keys = [Difference("here", key, True, None, Verdict.DRIFT) for key in (gone, kept)]
    daemon = {"live-restore": True, "runtimes.nvidia.path": "nvidia-container-runtime"}
    settings = from_variables("here", {})

    def record(recorder: Recorder, now: dict[str, object], receipt: Receipt | None) -> Receipt:
        seen = observation({"cards": [{}], "driver": "580.95.05", "engine": "docker.io", "daemon": now})
        seen = replace(seen, receipt=receipt)
        assert recorder.write_receipts([(HERE, settings, build(settings, seen), seen)]) == {}
        return from_json((home / "receipt.json").read_text())

    recorder = _recorder(home)
    recorder.begin([(HERE, keys)])
    expected = HostState(container_engine=ContainerEngine(daemon=daemon))
    old = Receipt("2026-11-22T19:00:00Z", "op", "desk", "0.1.0", expected, before=dict.fromkeys((gone, kept)))
    waits = record(recorder, daemon, old)
    assert set(waits.before) == {gone, kept}
    assert waits.expected.container_engine
    assert waits.expected.container_engine.daemon["live-restore"] == Dropped(True)
    done = record(recorder, {"runtimes.nvidia.path": "nvidia-container-runtime"}, waits)
    assert set(done.before) == set(json.loads((home / "before.json").read_text())) == {kept}


def test_locks_are_held_within_the_block_and_released_however_it_ends(home: Path) -> None:
    def lock() -> LockState | None:
        with connect(HERE) as channel:
            return status(channel, home=str(home))

    with pytest.raises(ZeroDivisionError), _recorder(home).locked([HERE]) as refused:
        held = lock()
        assert refused == {} and held is not None and held.reason == "why"
        with _recorder(home).locked([HERE]) as refused_too:
            assert isinstance(refused_too["here"], LockError)
        assert lock() is not None, "who was refused releases nothing"
        raise ZeroDivisionError
    assert lock() is None
