"""One base class for every error a person may see, and the published exit codes."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every command. A published contract: see docs/exit-codes.md."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    DRIFT = 3
    UNREACHABLE = 4
    GATE_FAILED = 5
    LOCKED = 6
    NO_HOST = 7
    RESTORE_FAILED = 8
    INTERRUPTED = 130


SEVERITY = (
    ExitCode.RESTORE_FAILED,
    ExitCode.GATE_FAILED,
    ExitCode.FAILED,
    ExitCode.LOCKED,
    ExitCode.UNREACHABLE,
    ExitCode.DRIFT,
)


def worst(codes: list[ExitCode]) -> ExitCode:
    """Return the exit code that speaks for several hosts: the first of SEVERITY, else the highest."""
    return next((code for code in SEVERITY if code in codes), max(codes, default=ExitCode.DONE))


class GlmprovError(Exception):
    """Something a person can act on.

    message says what is wrong, place where (a file with line, a key, a command), host on which host, and
    next_step what to do or type. Raised where it is known, caught once in the CLI.
    """

    exit_code = ExitCode.FAILED

    def __init__(
        self, message: str, *, host: str | None = None, place: str | None = None, next_step: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.host = host
        self.place = place
        self.next_step = next_step

    def __str__(self) -> str:
        where = ": ".join(part for part in (self.host, self.place) if part)
        return f"{where}: {self.message}" if where else self.message


class UsageError(GlmprovError):
    """The command line asks for something that makes no sense."""

    exit_code = ExitCode.USAGE


class InventoryError(GlmprovError):
    """The inventory can't be found, read or understood, or a variable of ours in it is wrong."""

    exit_code = ExitCode.USAGE


class NoHostError(GlmprovError):
    """No host of the inventory matches."""

    exit_code = ExitCode.NO_HOST


class UnreachableError(GlmprovError):
    """The host didn't answer, refused the key, or closed the connection."""

    exit_code = ExitCode.UNREACHABLE


class HostKeyError(UnreachableError):
    """The host's key is unknown or has changed."""


class BecomeError(GlmprovError):
    """The host let us in but not become root."""


class ProbeError(GlmprovError):
    """The host was reached, but what is true on it could not be read."""

    exit_code = ExitCode.UNREACHABLE


class PlanError(GlmprovError):
    """The host can't be brought to what the inventory asks for. The message holds every reason, one a line."""


class CatalogueError(GlmprovError):
    """There is no catalogue of this engine, or of this version of it."""

    exit_code = ExitCode.USAGE


class ApplyError(GlmprovError):
    """A change failed on the host."""


class FetchError(GlmprovError):
    """An image or a model can't be had: not there, out of reach, damaged, or no room for it."""


class HubDownError(FetchError):
    """A model hub is out of a host's reach, or isn't well. Another machine may reach it."""


class GateError(GlmprovError):
    """An instance was started and didn't serve; the host is as it was before."""

    exit_code = ExitCode.GATE_FAILED


class RestoreError(GlmprovError):
    """An instance was started and didn't serve, and what served before doesn't either."""

    exit_code = ExitCode.RESTORE_FAILED


class MovedOnError(GlmprovError):
    """What a plan was made for is no longer so: the host, or for a saved plan the inventory, its commit, the program.

    The message says what moved.
    """


class HookError(GlmprovError):
    """A command of the operator's, before or after a host is changed, failed or took too long."""


class LockError(GlmprovError):
    """Somebody else holds the host's lock."""

    exit_code = ExitCode.LOCKED


class LabError(GlmprovError):
    """The rehearsal fleet can't do what was asked."""


class RecipeError(GlmprovError):
    """A recipe can't be found, read or understood. The message holds every fault, one a line, each with its place."""

    exit_code = ExitCode.USAGE
