"""Where the sockets of shared connections lie."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from glmprov.remote.sharing import control_directory


def test_a_home_that_cannot_be_written_is_gone_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    found = control_directory()
    assert found.parent == Path("/tmp") and stat.S_IMODE(found.stat().st_mode) == 0o700
