from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from glmprov.inventory import Host
from glmprov.operate import weights
from glmprov.remote import Channel, connect
from tests.unit.operate.docker_stub import Daemon, daemon
from tests.unit.remote.conftest import open_folder, own_sockets, server

__all__ = ["open_folder", "own_sockets", "server"]


@pytest.fixture
def channel() -> Channel:
    """This machine as the host, through the same shell and watchdog as any."""
    return connect(Host("here", {"ansible_connection": "local", "ansible_become": True}))


@pytest.fixture
def docker_daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    """A Docker daemon of the test's own, to which DOCKER_HOST points."""
    folder = Path(tempfile.mkdtemp(prefix="glmprov-docker-"))  # short enough for a socket
    with daemon(folder) as running:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{running.socket}")
        monkeypatch.setenv("DOCKER_CONFIG", str(folder))
        yield running
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def own_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is verified is written down in a folder of the test's own."""
    monkeypatch.setattr(weights, "RECORDS", str(tmp_path / "verified"))
