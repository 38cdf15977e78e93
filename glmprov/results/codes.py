"""The exit code of a command that only looks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from glmprov.errors import ExitCode, GlmprovError, worst


class _Ended(Protocol):
    """What ended well, or with an error."""

    @property
    def error(self) -> GlmprovError | None: ...


def errors_code(results: Iterable[_Ended]) -> ExitCode:
    """Return the exit code of a command that only looks: the worst host's error."""
    return worst([result.error.exit_code for result in results if result.error])
