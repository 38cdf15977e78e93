"""The real program, as a person runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal import Fleet


@dataclass(frozen=True)
class Ran:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON that it printed."""
        parsed: dict[str, Any] = json.loads(self.out)
        return parsed

    def host(self, name: str) -> dict[str, Any]:
        """One host of the JSON that it printed."""
        return next(host for host in self.document["hosts"] if host["host"] == name)

    def expect(self, code: int, *, quotes_an_engine: bool = False) -> Ran:
        """Fail with everything that was printed unless the exit code is this; a traceback is only an engine's."""
        assert self.code == code, f"exit {self.code}, expected {code}\n{self.out}\n{self.err}"
        assert "Traceback" not in self.err + ("" if quotes_an_engine else self.out)
        return self


def start(
    fleet: Fleet,
    *arguments: str,
    inventory: Path | None = None,
    environment: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
) -> subprocess.Popen[str]:
    """Start `glmprov` for a fleet's inventory."""
    return subprocess.Popen(
        [*prefix, sys.executable, "-m", "glmprov", *arguments, "-i", str(inventory or fleet.inventory)],
        env={**fleet.environment, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(running: subprocess.Popen[str]) -> Ran:
    """Wait for a started program."""
    out, err = running.communicate(timeout=900)
    return Ran(running.returncode, out, err)


def run(fleet: Fleet, *arguments: str, **how: Any) -> Ran:
    """Run `glmprov` for a fleet's inventory."""
    return finish(start(fleet, *arguments, **how))


def keys(host: Mapping[str, Any], verdict: str = "DRIFT") -> set[str]:
    """Return the keys of an audited or planned host with this verdict."""
    return {each["key"] for each in host["differences"] if each["verdict"] == verdict}
