"""Run contenders in turn and read what each run cost."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from glmprov.lab.cgroups import Group, tree

from .report import Reading

PATIENCE_SECONDS = 900.0


def nothing() -> None:
    """Prepare nothing."""


@dataclass(frozen=True)
class Contender:
    """A command that does a suite's work. prepare comes before each run and isn't counted.

    says is what its output must hold, most_rounds how often the slow ones are run, warm whether one run goes before.
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    cwd: Path
    prepare: Callable[[], None] = nothing
    stdin: Path | None = None
    says: str = ""
    codes: frozenset[int] = frozenset({0})
    most_rounds: int = 99
    warm: bool = False


class ContenderError(Exception):
    """A contender didn't do its work: its figures would mean nothing."""


@dataclass(frozen=True)
class Meter:
    """Control groups of version 2: one for contenders, and those in which hosts live."""

    client: Group
    servers: Sequence[Group]
    output: Path
    say: Callable[[str], None] = field(default=print)

    def run(self, contender: Contender) -> Reading:
        """Run a contender once. Raise ContenderError if it fails or doesn't say what it should."""
        contender.prepare()
        with self.output.open("wb") as out, _opened(contender.stdin) as stdin:
            before = self._usage()
            begun = time.monotonic()
            code = self._start(contender, stdin, out).wait(timeout=PATIENCE_SECONDS)
            wall_seconds = time.monotonic() - begun
            after = self._usage()
        self.client.kill()  # masters that a contender left behind: the next one makes its own connections
        said = self.output.read_text(errors="replace")
        if code not in contender.codes or contender.says not in said:
            raise ContenderError(
                f"{contender.name} ended with {code}, expected {contender.says!r}\n{said[-3000:]}"
            )
        reading = Reading(wall_seconds, after[0] - before[0], after[1] - before[1])
        self.say(
            f"  {contender.name}: {reading.wall_seconds:.2f} s, CPU {reading.client_seconds:.2f} s"
            f" and on hosts {reading.server_seconds:.2f} s"
        )
        return reading

    def in_turn(self, contenders: Sequence[Contender], rounds: int) -> dict[str, list[Reading]]:
        """Run all contenders, so many rounds, A B C A B C."""
        readings: dict[str, list[Reading]] = {contender.name: [] for contender in contenders}
        for contender in contenders:
            if contender.warm:
                self.run(contender)
        for number in range(rounds):
            for contender in contenders:
                if number < contender.most_rounds:
                    readings[contender.name].append(self.run(contender))
        return readings

    def _start(self, contender: Contender, stdin: IO[bytes] | int, out: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            contender.argv,
            stdin=stdin,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=contender.environment,
            cwd=contender.cwd,
            preexec_fn=self.client.enter,
        )

    def _usage(self) -> tuple[float, float]:
        return usage_seconds(self.client), sum(usage_seconds(group) for group in self.servers)


def usage_seconds(group: Group) -> float:
    """Return the CPU that all processes of a control group have used so far, those that ended included."""
    lines = (tree() / group.path / "cpu.stat").read_text().splitlines()
    return int(dict(line.split() for line in lines)["usage_usec"]) / 1e6


@contextmanager
def _opened(path: Path | None) -> Iterator[IO[bytes] | int]:
    if path is None:
        yield subprocess.DEVNULL
        return
    with path.open("rb") as file:
        yield file


def clean_environment(**more: str) -> dict[str, str]:
    """Return what contenders get: no settings of this machine's user, byte code kept as an installed program has it."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
    return {**kept, "LC_ALL": "C.UTF-8", **more}
