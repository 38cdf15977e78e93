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

    def expect(self, code: int) -> Ran:
        """Fail with everything that was printed unless the exit code is this."""
        assert self.code == code, f"exit {self.code}, expected {code}\n{self.out}\n{self.err}"
        assert "Traceback" not in self.err + self.out
        return self


def run(
    fleet: Fleet,
    *arguments: str,
    inventory: Path | None = None,
    environment: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
) -> Ran:
    """Run `glmprov` for a fleet's inventory."""
    argv = [*prefix, sys.executable, "-m", "glmprov", *arguments, "-i", str(inventory or fleet.inventory)]
    done = subprocess.run(
        argv,
        env={**fleet.environment, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def keys(host: Mapping[str, Any], verdict: str = "DRIFT") -> set[str]:
    """Return the keys of an audited or planned host with this verdict."""
    return {each["key"] for each in host["differences"] if each["verdict"] == verdict}
