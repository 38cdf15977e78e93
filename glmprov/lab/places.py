"""Where the lab keeps things: caches that can be rebuilt, and the state of each fleet."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from glmprov.errors import LabError


def cache() -> Path:
    """Return the directory of images and packages. All of it can be deleted and is made again."""
    return Path(platformdirs.user_cache_path("glmprov")) / "lab"


def fleets() -> Path:
    """Return the directory that holds one directory a fleet."""
    return Path(platformdirs.user_state_path("glmprov")) / "lab"


@dataclass(frozen=True)
class Place:
    """A fleet's own directory and the names that are derived from it, so that no two fleets share one."""

    fleet: str
    directory: Path

    @property
    def identity(self) -> str:
        """A short name that is unique on the machine, also among users with the same fleet name."""
        return f"{self.fleet}-{hashlib.sha256(str(self.directory).encode()).hexdigest()[:6]}"

    @property
    def state_file(self) -> Path:
        """The fleet's record, written when it is up."""
        return self.directory / "fleet.json"

    @property
    def ssh_key(self) -> Path:
        """The private key that every node of the fleet accepts."""
        return self.directory / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The pinned host keys of all nodes."""
        return self.directory / "known_hosts"

    @property
    def cgroup(self) -> str:
        """The fleet's control group, below the root of cgroup v2."""
        return f"glmlab/{self.identity}"

    def node(self, name: str) -> Path:
        """Return the directory of one node."""
        return self.directory / "nodes" / name


def place(fleet: str) -> Place:
    """Return the place of a fleet. Raise LabError if the name can't be one."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", fleet):
        raise LabError(
            f"'{fleet}' can't be a fleet's name",
            place="--fleet",
            next_step="Use up to 31 small letters, digits and hyphens.",
        )
    return Place(fleet, fleets() / fleet)
