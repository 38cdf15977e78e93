"""Which commit of which Git repository an inventory comes from."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from glmprov.inventory.request import files_named

TIMEOUT_SECONDS = 30
"""A repository on a network disk may be slow; one that doesn't answer is as good as none."""


@dataclass(frozen=True)
class Commit:
    """A state of a repository. dirty: inventory or variables beside it have changes that aren't committed."""

    repository: str
    revision: str
    dirty: bool


def commits(sources: Sequence[Path]) -> tuple[Commit, ...]:
    """Return the commit of each repository that holds one of the inventories; nothing where there is no Git."""
    found: dict[str, list[Path]] = {}
    for source in files_named(sources):
        folder = source if source.is_dir() else source.parent
        repository = _git(folder, "rev-parse", "--show-toplevel")
        if repository:
            found.setdefault(repository, []).extend(_of_inventory(source.absolute()))
    return tuple(_commits(found))


def _commits(found: dict[str, list[Path]]) -> Iterator[Commit]:
    for repository, paths in found.items():
        revision = _git(Path(repository), "rev-parse", "HEAD")
        if revision:
            changed = _git(Path(repository), "status", "--porcelain", "--", *map(str, paths))
            yield Commit(repository, revision, dirty=changed != "")


def _of_inventory(source: Path) -> list[Path]:
    """Return what counts as the inventory: a plan that is saved beside it doesn't make it dirty."""
    if source.is_dir():
        return [source]
    return [source, source.parent / "group_vars", source.parent / "host_vars"]


def _git(folder: Path, *words: str) -> str | None:
    """Return what Git says, None if it isn't there, knows no repository, or doesn't trust this one."""
    # A hook or a rebase that runs us has pointed Git at its own repository.
    environment = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
