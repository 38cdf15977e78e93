"""Take an instance's files off a host."""

from __future__ import annotations

from glmprov.errors import ApplyError
from glmprov.remote import Channel


def erase(channel: Channel, unit: str, home: str, state_home: str) -> None:
    """Take an instance's files off a host: unit, environment, gate, key, receipts. What was fetched stays."""
    argv = ["python3", "-I", "-", unit, home, state_home]
    done = channel.run(argv, stdin=_ERASE.encode(), become=True)
    if done.returncode:
        raise ApplyError(done.stderr.decode(errors="replace").strip()[-300:], place=f"removing {unit}")


_ERASE = """
import os, shutil, subprocess, sys
unit, home, state_home = sys.argv[1:]
subprocess.run(["systemctl", "disable", unit], capture_output=True)
path = "/etc/systemd/system/" + unit
if os.path.lexists(path):
    os.unlink(path)
for folder in (home, state_home):
    if os.path.isdir(folder):
        shutil.rmtree(folder)
subprocess.run(["systemctl", "daemon-reload"], check=True)
subprocess.run(["systemctl", "reset-failed", unit], capture_output=True)
"""
