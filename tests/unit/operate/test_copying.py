"""Weights copied from here by rsync over real SSH."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from hashlib import sha256
from pathlib import Path

import pytest

from glmprov.errors import FetchError, UnreachableError
from glmprov.inventory import Host
from glmprov.operate import copying, weights
from glmprov.operate.weights_told import Progress
from glmprov.recipe.lock import FileLock, ModelLock
from glmprov.remote import Channel, ConnectOptions, connect, rsync
from glmprov.remote.interruption import all_hung_up
from glmprov.secret import Secret
from tests.unit.remote.sshd import PASSWORD, Sshd

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="accounts of our own need root"),
    pytest.mark.skipif(not shutil.which("rsync"), reason="no rsync here (package rsync)"),
]

ROOT = Path(__file__).parents[3]
FILES = {"config.json": b"{}", "sub/tokenizer.json": b"x" * 10, "m-1.safetensors": os.urandom(1_500_000)}
MODEL = ModelLock(
    "org/Model",
    "a" * 40,
    tuple(FileLock(path, len(data), sha256=sha256(data).hexdigest()) for path, data in sorted(FILES.items())),
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    for path, data in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    (folder / "unrelated").write_text("stays")
    return folder


@pytest.fixture
def at(open_folder: Path) -> Path:
    folder = Path(weights.folder(MODEL, str(open_folder / "models")))
    shutil.rmtree(folder.parent, ignore_errors=True)
    return folder


def right(at: Path) -> bool:
    there = {
        str(path.relative_to(at))
        for path in at.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }
    owned = all(path.stat().st_uid == 0 for path in [at, *at.rglob("*")])
    return (
        there == set(FILES)
        and owned
        and all((at / path).read_bytes() == data for path, data in FILES.items())
    )


@pytest.mark.parametrize("user", ["root", "ops", "opspw"])
def test_a_copy_from_here_is_roots_and_verified_whoever_logs_in(
    server: Sshd,
    source: Path,
    at: Path,
    user: str,
) -> None:
    host = server.host("libssh2" if user == "root" else "auto", ansible_user=user)
    options = ConnectOptions(become=True, become_password=Secret(PASSWORD) if user == "opspw" else None)
    heard: list[Progress] = []
    assert copying.from_here(host, options, MODEL, source, str(at), heard.append) == 3
    last = [each for each in heard if each.doing == "copying"][-1]
    assert right(at) and (last.bytes_done, last.files_done) == (last.bytes_total, 3)
    with connect(host, options) as channel:
        assert weights.look(channel, host.name, MODEL, str(at)).verified
    copying.from_here(host, options, MODEL, source, str(at))
    assert right(at)


def test_a_copy_to_this_machine_needs_no_ssh(source: Path, tmp_path: Path) -> None:
    host = Host("here", {"ansible_connection": "local"})
    at = tmp_path / "models/org--Model" / MODEL.revision
    copying.from_here(host, ConnectOptions(), MODEL, source, str(at))
    assert right(at)


def test_a_folder_that_is_another_model_is_refused_with_every_fault(source: Path, at: Path) -> None:
    (source / "config.json").write_bytes(b"{ }")
    (source / "m-1.safetensors").unlink()
    with pytest.raises(FetchError) as caught:
        copying.from_here(Host("nowhere"), ConnectOptions(), MODEL, source, str(at))
    assert "config.json has 3 bytes, the lock says otherwise" in caught.value.message
    assert "m-1.safetensors is missing" in caught.value.message


def test_a_copy_with_a_wrong_byte_is_found_and_taken_away_and_mended_by_a_right_one(
    server: Sshd, source: Path, at: Path
) -> None:
    host = server.host("auto", ansible_user="root")
    (source / "config.json").write_bytes(b"[]")
    with pytest.raises(FetchError, match=r"not what the lock says by their sums: config\.json") as caught:
        copying.from_here(host, ConnectOptions(), MODEL, source, str(at))
    assert str(source) in caught.value.message and not (at / "config.json").exists()
    (source / "config.json").write_bytes(b"{}")
    assert copying.from_here(host, ConnectOptions(), MODEL, source, str(at)) == 1
    assert right(at)


def test_a_hubs_cache_of_links_is_copied_as_files(source: Path, tmp_path: Path) -> None:
    cache = tmp_path / "snapshot"
    for path in FILES:
        (cache / path).parent.mkdir(parents=True, exist_ok=True)
        (cache / path).symlink_to(source / path)
    at = tmp_path / "models/org--Model" / MODEL.revision
    copying.from_here(Host("here", {"ansible_connection": "local"}), ConnectOptions(), MODEL, cache, str(at))
    assert right(at) and not any(path.is_symlink() for path in at.rglob("*"))


def test_what_another_way_left_half_done_does_not_stay(source: Path, tmp_path: Path) -> None:
    at = tmp_path / "models/org--Model" / MODEL.revision
    at.mkdir(parents=True)
    (at / "m-1.safetensors.part").write_bytes(b"x" * 100)
    copying.from_here(Host("here", {"ansible_connection": "local"}), ConnectOptions(), MODEL, source, str(at))
    assert right(at)


def test_a_login_that_may_not_write_is_told(server: Sshd, source: Path, open_folder: Path) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700, exist_ok=True)
    with pytest.raises(FetchError, match="may not write there"):
        rsync.send(
            server.host("auto", ansible_user="nosudo"), ConnectOptions(), source, ["config.json"], str(closed)
        )


def test_an_interrupted_copy_ends_and_goes_on_later(
    server: Sshd,
    source: Path,
    at: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = server.host("auto", ansible_user="root")
    real = rsync.arguments
    # Slow enough to be in the middle: 1.5 MB at 200 kB/s.
    monkeypatch.setattr(rsync, "arguments", lambda *of: [*real(*of)[:1], "--bwlimit=200", *real(*of)[1:]])
    begun = threading.Event()
    faults: list[BaseException] = []

    def half_done(said: Progress) -> None:
        if said.bytes_done > 100_000:
            begun.set()

    def run() -> None:
        try:
            copying.from_here(host, ConnectOptions(), MODEL, source, str(at), half_done)
        except (UnreachableError, FetchError) as error:
            faults.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(30)
    with all_hung_up():
        thread.join(20)
    assert faults and not (at / "m-1.safetensors").exists()
    monkeypatch.setattr(rsync, "arguments", real)
    copying.from_here(host, ConnectOptions(), MODEL, source, str(at))
    assert right(at) and not list(at.rglob(rsync.PARTIAL))


KILLED = """
import sys
from pathlib import Path
from glmprov.inventory import Host
from glmprov.operate import copying
from glmprov.remote import ConnectOptions, rsync
from tests.unit.operate.test_copying import MODEL
real = rsync.arguments
rsync.arguments = lambda *of: [*real(*of)[:1], "--bwlimit=100", *real(*of)[1:]]
here = Host("here", {"ansible_connection": "local"})
source, at = sys.argv[1:]
copying.from_here(here, ConnectOptions(), MODEL, Path(source), at, lambda _: print("begun", flush=True))
"""


def test_a_copy_whose_program_is_killed_ends_too_and_its_folder_is_taken_back(
    channel: Channel, source: Path, tmp_path: Path
) -> None:
    at = tmp_path / "models/org--Model" / MODEL.revision
    command = [sys.executable, "-c", KILLED, str(source), str(at)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
    assert running.stdout is not None and running.stdout.readline() == b"begun\n"
    running.kill()
    running.wait()
    still = f"while pgrep -a -x rsync | grep -q {at}; do sleep 0.1; done"
    assert subprocess.run(["timeout", "10", "sh", "-c", still]).returncode == 0
    assert weights.look(channel, "here", MODEL, str(at)).lent
    copying.take_back(channel, "here", MODEL, str(at), done=False)
    seen = weights.look(channel, "here", MODEL, str(at))
    assert not seen.lent and not seen.complete
    copying.from_here(Host("here", {"ansible_connection": "local"}), ConnectOptions(), MODEL, source, str(at))
    assert right(at)
