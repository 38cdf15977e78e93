from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.remote import sshd


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """A folder that other accounts may enter, with a path short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="glmprov-ssh-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def server(open_folder: Path) -> Iterator[sshd.Sshd]:
    """A server whose key is trusted."""
    if not Path(sshd.SSHD).exists():
        pytest.skip("no OpenSSH server here (package openssh-server)")
    running = sshd.start(open_folder / "server", "127.31.7.1")
    running.trust()
    yield running
    running.stop()


@pytest.fixture
def own_server(open_folder: Path) -> Iterator[sshd.Sshd]:
    """A server for one test, whose key nobody knows yet."""
    if not Path(sshd.SSHD).exists():
        pytest.skip("no OpenSSH server here (package openssh-server)")
    folder = Path(tempfile.mkdtemp(dir=open_folder))
    folder.chmod(0o755)
    running = sshd.start(folder / "s", "127.31.7.2")
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def own_sockets(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Masters and caches of the tests are theirs alone; no agent takes part."""
    folder = open_folder / "run"
    folder.mkdir(mode=0o700, exist_ok=True)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(open_folder / "cache"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.delenv("GLMPROV_CHANNEL", raising=False)
    return folder


@pytest.fixture(params=["openssh", "libssh2", "paramiko"])
def over(request: pytest.FixtureRequest) -> str:
    """Each of the channels over SSH."""
    return str(request.param)


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="accounts of our own need root")
