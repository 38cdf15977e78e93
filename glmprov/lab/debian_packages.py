"""Debian's own packages for the nodes, fetched with apt from wherever this machine gets its own.

A private apt state is used: nothing of the machine's is touched, and what is installed here doesn't matter.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from glmprov.errors import LabError

WANTED = ("docker.io", "unattended-upgrades")
"""What nodes get from Debian after their start: they come with neither."""


def download(folder: Path, state: Path, wanted: Sequence[str] = WANTED) -> list[Path]:
    """Put wanted packages with all that they need into folder; return their files.

    state keeps apt's lists for the next time. Raise LabError if this machine isn't Debian 12 or apt fails.
    """
    _require_bookworm()
    apt = _private_apt(state)
    folder.mkdir(parents=True, exist_ok=True)
    _apt([*apt, "update"], folder)
    plan = _apt([*apt, "install", "--simulate", "--no-install-recommends", *wanted], folder)
    found = re.findall(r"^Inst (\S+) \((\S+) .*?\[(\S+)\]\)", plan, re.MULTILINE)
    missing = [
        f"{name}={version}"
        for name, version, arch in found
        if not _file(folder, name, version, arch).exists()
    ]
    if missing:
        _apt([*apt, "download", *missing], folder)
    return [_file(folder, name, version, arch) for name, version, arch in found]


def _file(folder: Path, name: str, version: str, architecture: str) -> Path:
    return folder / f"{name}_{version.replace(':', '%3a')}_{architecture}.deb"


def _require_bookworm() -> None:
    release = Path("/etc/os-release").read_text()
    if "VERSION_CODENAME=bookworm" not in release:
        raise LabError("the rehearsal fleet is built on Debian 12 only", next_step="Use a Debian 12 machine.")


def _private_apt(state: Path) -> list[str]:
    """Return an apt-get command with state of its own and Debian's sources of this machine."""
    for name in ("lists/partial", "cache/archives/partial"):
        (state / name).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    deb822, classic = Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")
    if deb822.exists():
        # apt takes a deb822 file only from a directory of sources.
        parts = state / "sources.d"
        parts.mkdir(exist_ok=True)
        (parts / deb822.name).write_text(deb822.read_text())
        sources = {"Dir::Etc::SourceList": "/dev/null", "Dir::Etc::SourceParts": str(parts)}
    else:
        sources = {"Dir::Etc::SourceList": str(classic), "Dir::Etc::SourceParts": "/dev/null"}
    options = {
        **sources,
        "Dir::State": str(state),
        "Dir::State::Lists": str(state / "lists"),
        "Dir::State::Status": str(state / "status"),
        "Dir::Cache": str(state / "cache"),
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "APT::Architecture": "amd64",
        "APT::Architectures::": "amd64",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Debug::NoLocking": "1",
    }
    command = ["apt-get", "--quiet", "--yes"]
    for name, value in options.items():
        command += ["-o", f"{name}={value}"]
    return command


def _apt(command: list[str], folder: Path) -> str:
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise LabError(
            f"apt-get failed: {done.stderr.strip()}", next_step="Check the network and apt-get update."
        )
    return done.stdout
