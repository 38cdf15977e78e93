"""The known failure behind an engine's log: data in catalog/failures.yml. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from glmprov.catalog import read

NOT_THE_CAUSE = re.compile(
    r"Engine core initialization failed|Engine process failed to start|See root cause above"
    r"|Received sigquit from a child process|WorkerProc initialization failed"
)
"""What an engine's launcher says when one of its processes has failed: the cause stands further up."""
ERROR = re.compile(r"\b([A-Z]\w*(?:\.\w+)*(?:Error|Exception|OutOfResources)|error):\s+\S")
PREFIX = re.compile(
    r"^(?:\((?:\w+)[^)]*\)\s*)?(?:(?:ERROR|INFO|WARNING) [\d:\- ]+\[[^\]]*\]\s*)?(?:\[[^\]]*\]\s*)?"
)


@dataclass(frozen=True)
class Failure:
    """A failure that we know: why a start fails so, and what mends it. patterns match one line of a log."""

    id: str
    patterns: tuple[str, ...]
    cause: str
    fix: str
    source: str
    engines: tuple[str, ...] = ()

    def speaks_in(self, line: str) -> bool:
        """Say whether a line of a log tells of it."""
        return any(re.search(pattern, line) for pattern in self.patterns)


@dataclass(frozen=True)
class Diagnosis:
    """What a log says: the line, and the failure that we know behind it, None where we know none."""

    line: str
    failure: Failure | None = None

    def __str__(self) -> str:
        if self.failure is None:
            return self.line
        return f"{self.failure.cause} ({self.failure.id}): {self.line}"


@cache
def failures() -> tuple[Failure, ...]:
    """Return the failures that end a start, the particular before the general."""
    return _read("failures")


@cache
def hints() -> tuple[Failure, ...]:
    """Return what may stand behind a failure, and stands in the logs of good starts too."""
    return _read("hints")


def diagnosis(log: str, engine: str = "") -> Diagnosis | None:
    """Return what a failed start's log says of its cause, None if it says nothing.

    The first line that tells of a failure counts: what comes after is its consequence, and the log's last lines are
    only the launcher's. A hint counts where the log tells of an error: of a start that hangs it is no reason.
    """
    lines = log.splitlines()
    errors = [line for line in lines if ERROR.search(line) and not NOT_THE_CAUSE.search(line)]
    for known in (failures(), hints() if errors else ()):
        found = _first(
            lines, [each for each in known if not each.engines or engine in ("", "image", *each.engines)]
        )
        if found is not None:
            return found
    tagged = [line for line in errors if line.startswith(("(Worker", "(EngineCore"))]
    last = next(reversed(tagged or errors), None)
    return None if last is None else Diagnosis(_bare(last))


def _first(lines: Sequence[str], known: Iterable[Failure]) -> Diagnosis | None:
    candidates = list(known)
    for line in lines:
        if NOT_THE_CAUSE.search(line):
            continue
        failure = next((each for each in candidates if each.speaks_in(line)), None)
        if failure is not None:
            return Diagnosis(_bare(line), failure)
    return None


def _bare(line: str) -> str:
    """Return a line without its process, level and time."""
    return PREFIX.sub("", line).strip()


def _read(part: str) -> tuple[Failure, ...]:
    return tuple(_failure(each) for each in read("failures.yml")[part])


def _failure(each: dict[str, Any]) -> Failure:
    return Failure(**{**each, "patterns": tuple(each["patterns"]), "engines": tuple(each.get("engines", ()))})
