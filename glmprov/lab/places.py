"""Where the lab keeps things: caches that can be made again, and the state of each fleet."""

from __future__ import annotations

import fcntl
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
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
    def group(self) -> str:
        """The fleet's control group, below the root of cgroup v2."""
        return f"glmlab/{self.identity}"

    @property
    def state_file(self) -> Path:
        """The fleet's record, written when it is up."""
        return self.directory / "fleet.json"

    @property
    def ssh_key(self) -> Path:
        """The private key that every node of the fleet accepts."""
        return self.directory / "id_ed25519"

    @property
    def ssh_config(self) -> Path:
        """With `ssh -F` of this file, the nodes' names work."""
        return self.directory / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        """The pinned host keys of all nodes."""
        return self.directory / "known_hosts"

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


def known_fleets() -> list[str]:
    """Return the names of the fleets of which there is something."""
    return sorted(path.name for path in fleets().glob("*/"))


@contextmanager
def alone(name: str, *, wait: bool) -> Iterator[None]:
    """Hold a lock among all runs of the lab. Raise LabError if it is taken and wait is False."""
    locks = cache() / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / name).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabError(
                "another `glmprov lab` command is changing this fleet", next_step="Try again when it is done."
            ) from None
        yield
