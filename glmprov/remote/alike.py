"""Hosts that no line of ssh_config tells apart: `ssh -G` is asked once for all of them, with a name of nobody.

A start of ssh costs five milliseconds, a third of everything that an audit of a host costs here.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import pwd
import re
import shlex
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from glmprov.made_once import made_once

NOBODY = "glmprov-asks-for-any.invalid"

PLAIN_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
"""A name or IPv4 address that ssh takes as it stands, without a user, a port or capitals in it."""

SYSTEM_CONFIG = Path("/etc/ssh/ssh_config")
DEEPEST_INCLUDE = 16


class _AskForEach(Exception):  # noqa: N818  (an answer, not an error)
    """The configuration may tell hosts apart in ways that only ssh itself can follow."""


def alike(asked: str, arguments: Sequence[str]) -> bool:
    """Return whether ssh, told these arguments, does with asked what it does with NOBODY but for the name.

    So it is where the files hold no Match and no Host pattern other than * speaks of one of the two.
    """
    try:
        patterns = _patterns(files_asked(arguments))
    except _AskForEach:
        return False
    return PLAIN_NAME.fullmatch(asked) is not None and not any(
        fnmatch.fnmatchcase(name, pattern) for pattern in patterns for name in (asked, NOBODY)
    )


def files_asked(arguments: Sequence[str]) -> tuple[tuple[Path, Path, int], ...]:
    """Return the configuration files that ssh begins with: path, where its includes lie, when it was written."""
    home = Path(pwd.getpwuid(os.getuid()).pw_dir) / ".ssh"
    named = _named_config(arguments)
    if named is None:
        tops = [(home / "config", home), (SYSTEM_CONFIG, SYSTEM_CONFIG.parent)]
    else:
        tops = [] if named == "none" else [(Path(named).expanduser(), home)]
    return tuple((path, base, path.stat().st_mtime_ns) for path, base in tops if path.is_file())


def _named_config(arguments: Sequence[str]) -> str | None:
    """Return the file named with -F."""
    for word, following in pairwise([*arguments, ""]):
        if word.startswith("-F"):
            return word[2:] or following
    return None


@made_once(maxsize=16)
def _patterns(files: tuple[tuple[Path, Path, int], ...]) -> tuple[str, ...]:
    """Return the patterns of all Host lines but *, without negation. Raise _AskForEach at anything cleverer."""
    found = (pattern for path, base, _ in files for pattern in _patterns_of(path, base, 0))
    return tuple(dict.fromkeys(pattern for pattern in found if pattern != "*"))


def _patterns_of(path: Path, base: Path, depth: int) -> Iterator[str]:
    if depth > DEEPEST_INCLUDE:
        raise _AskForEach
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        keyword, words = _split(line)
        if keyword == "match" and [word.lower() for word in words] != ["all"]:
            raise _AskForEach
        if keyword.startswith("canonical"):
            raise _AskForEach
        if keyword == "host":
            yield from (word.lstrip("!").lower().replace("[", "[[]") for word in words)
        if keyword == "include":
            for word in words:
                for included in _included(word, base):
                    yield from _patterns_of(included, base, depth + 1)


def _split(line: str) -> tuple[str, list[str]]:
    """Return keyword, in lower case, and words of a line: `Host a b`, `Host=a b`, quoted or not."""
    found = re.match(r'\s*"?(\w+)"?\s*[\s=]\s*(.*)', line)
    if found is None:
        return "", []
    try:
        return found[1].lower(), shlex.split(found[2], comments=True)
    except ValueError:
        raise _AskForEach from None


def _included(word: str, base: Path) -> list[Path]:
    if "%" in word or "$" in word:
        raise _AskForEach
    pattern = str(base / Path(word).expanduser())
    return [Path(path) for path in sorted(glob.glob(pattern))]  # noqa: PTH207  (Path.glob takes no absolute one)
