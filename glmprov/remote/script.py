"""What the host's shell is asked to do: one constant command line, and one line of sh on its standard input.

The login shell may be anything that understands `exec PROGRAM 'text'`; from there on it is /bin/sh. The line goes
by standard input, so neither the login shell's quoting nor the length of a command line limits it, and it isn't
seen in the host's process list.

Nothing before the ready mark belongs to the command: what a profile, a banner or sudo prints is left out.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

KILL_AFTER_SECONDS = 3
"""How long a command has between SIGTERM and SIGKILL when its deadline has passed."""

BOUNDED = (
    "bounded() { PATH=$PATH:/usr/sbin:/sbin; "
    'printf "%s:ready\\n" "$token"; printf "%s:ready\\n" "$token" >&2; '
    "if command -v timeout >/dev/null 2>&1; "
    f'then timeout -k {KILL_AFTER_SECONDS} "$@"; status=$?; '
    'else seconds=$1; shift; exec 3<&0; "$@" <&3 3<&- & pid=$!; '
    f'(sleep "$seconds"; kill $pid; sleep {KILL_AFTER_SECONDS}; kill -9 $pid) </dev/null >/dev/null 2>&1 3<&- & '
    "watchdog=$!; wait $pid; status=$?; kill $watchdog 2>/dev/null; fi; "
    'printf "\\n%s:ended %s\\n" "$token" "$status" >&2; exit "$status"; }'
)
"""A function of sh: `bounded SECONDS PROGRAM ARGUMENT…` runs a program, bounded by timeout, which kills the whole
process group, or by a watchdog of the shell's own. Free of single quotes, which COMMAND_LINE puts around it."""

COMMAND_LINE = f"""exec /bin/sh -c '{BOUNDED}; IFS= read -r script; eval "$script"'"""
"""The constant part. sh reads its line byte by byte from a pipe, so what is always the same doesn't go that way."""


@dataclass(frozen=True)
class Marks:
    """The words that bound what belongs to the command. token is random for each run, so no output can forge them."""

    token: str

    @property
    def begun(self) -> bytes:
        """/bin/sh runs on the host."""
        return f"{self.token}:begun\n".encode()

    @property
    def ready(self) -> bytes:
        """The command starts now, as the right user."""
        return f"{self.token}:ready\n".encode()

    @property
    def ended(self) -> bytes:
        """The command has ended; its exit status and a newline follow."""
        return f"\n{self.token}:ended ".encode()

    @property
    def prompt(self) -> str:
        """What sudo is told to ask the password with."""
        return f"{self.token}:password:"


@dataclass(frozen=True)
class Sudo:
    """How to become root with sudo: its name or path, its flags, and whether we can answer when it asks."""

    program: str = "sudo"
    flags: tuple[str, ...] = ("-H",)
    answers: bool = False


def script(argv: Sequence[str], marks: Marks, deadline_seconds: float, sudo: Sudo | None = None) -> bytes:
    """Return the line for /bin/sh that runs argv with a watchdog, as root by sudo where the login isn't root."""
    command = " ".join(_quote(word) for word in argv)
    newline = 'nl=$(printf "\\nx"); nl=${nl%x}; ' if '"$nl"' in command else ""
    prelude = f"{newline}token={_quote(marks.token)}; export LC_ALL=C"
    call = f"bounded {deadline_seconds:g} {command}"
    begin = f'{prelude}; printf "%s:begun\\n" "$token" >&2'
    if sudo is None:
        return f"{begin}; {call}\n".encode()
    answer = ["-S", "-p", marks.prompt] if sudo.answers else ["-n"]
    as_root = ["/bin/sh", "-c", f"{BOUNDED}; {prelude}; {call}"]
    become = " ".join(
        _quote(word) for word in [sudo.program, *sudo.flags, *answer, "-u", "root", "--", *as_root]
    )
    return f'{begin}; if [ "$(id -u)" = 0 ]; then {call}; else {become}; fi\n'.encode()


def _quote(word: str) -> str:
    """Quote for sh, with newlines as "$nl", since the script is one line."""
    return shlex.quote(word).replace("\n", "'\"$nl\"'")
