"""The talk with a host's shell, as a pure machine: bytes heard in, bytes to say out. Every channel drives the same."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence

from glmprov.errors import BecomeError, UnreachableError
from glmprov.remote import Completed
from glmprov.remote.become import Become, explain_refusal
from glmprov.remote.script import KILL_AFTER_SECONDS, Marks, Sudo, script
from glmprov.remote.stream import Stream
from glmprov.secret import Secret

KILLED_BY_DEADLINE = {124, 137, 143}
"""Exit statuses that a watchdog leaves behind: timeout's own, and 128 + SIGKILL and SIGTERM."""

CUT_OFF = 141
"""128 + SIGPIPE: what a command gets that goes on writing when we have stopped listening."""

SILENCE_SECONDS = 60.0
"""How long a command whose lines are handed on may say nothing. It is ours and breathes every few seconds, so a
longer silence is a host that is lost, hours before the deadline of a download would tell."""


class Conversation:
    """One command on one host, from the first byte said to the last heard.

    A channel says opening(), then hands over what it hears and says what it is told to, closes the command's
    input when `finished_saying`, hangs up when `enough`, and asks for the result when the other side has ended.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        host: str,
        stdin: bytes,
        deadline_seconds: float,
        max_output_bytes: int,
        become: Become | None = None,
        on_line: Callable[[bytes], object] | None = None,
    ) -> None:
        self.host = host
        self.what = argv[0]
        self.stdin = stdin
        self.deadline_seconds = deadline_seconds
        self.become = become
        self.password: Secret | None = become.password if become else None
        self.marks = Marks(secrets.token_hex(12))
        sudo = Sudo(become.program, become.flags, answers=self.password is not None) if become else None
        self.line = script(argv, self.marks, deadline_seconds, sudo)
        # Both ended marks are ours, so stderr gets room for one more line.
        self.stdout = Stream(self.marks.ready, max_output_bytes, on_line)
        self.stderr = Stream(self.marks.ready, max_output_bytes + 256)
        self.finished_saying = False
        self.enough = False
        self.prompts_answered = 0
        self.begun_at = self.heard_at = time.monotonic()

    @property
    def give_up_at(self) -> float:
        """When a channel stops waiting, by the monotonic clock: moves on with every line that is handed on."""
        end = self.begun_at + self.patience_seconds
        return end if self.stdout.on_line is None else min(end, self.heard_at + SILENCE_SECONDS)

    @property
    def patience_seconds(self) -> float:
        """How long a channel waits for the end: the deadline, then time to kill on the host and to say so."""
        return self.deadline_seconds + KILL_AFTER_SECONDS + 5

    def opening(self) -> bytes:
        """Return what is said first. The command's input follows at once, unless sudo may ask a question before.

        Time counts from here: a channel may have waited for others' commands to end.
        """
        self.begun_at = self.heard_at = time.monotonic()
        if self.password is not None:
            return self.line
        self.finished_saying = True
        return self.line + self.stdin

    def hear_stdout(self, data: bytes) -> bytes:
        """Take in what the host printed; return what to say."""
        self.heard_at = time.monotonic()
        self.stdout.hear(data)
        self._stop_a_flood()
        return b""

    def hear_stderr(self, data: bytes) -> bytes:
        """Take in what the host printed as error; return what to say: the password when asked, then the input."""
        self.stderr.hear(data)
        self._stop_a_flood()
        if self.finished_saying or self.password is None:
            return b""
        if self.stderr.started:
            self.finished_saying = True
            return self.stdin
        if self.stderr.before.count(self.marks.prompt.encode()) > self.prompts_answered:
            self.prompts_answered += 1
            if self.prompts_answered == 1:
                return self.password.reveal().encode() + b"\n"
            # sudo asks again: the password is wrong. Each further answer would count towards a lock-out.
            self.enough = True
        return b""

    def result(self, status: int | None, *, lost: str = "the connection was lost") -> Completed:
        """Return what came of it, given the exit status that the channel saw, None if the channel saw none.

        lost says what the channel knows of a host that fell silent. Raise UnreachableError if the host fell silent
        or its watchdog ended the command, BecomeError if the command never started for want of root.
        """
        self.stdout.end()
        completed = self._completed(status, lost)
        elapsed_seconds = time.monotonic() - self.begun_at
        if completed.returncode in KILLED_BY_DEADLINE and elapsed_seconds >= self.deadline_seconds:
            raise UnreachableError(
                f"{self.what} didn't end within {self.deadline_seconds:g} s and was killed on the host",
                host=self.host,
            )
        return completed

    def out_of_patience(self) -> UnreachableError:
        """Return the error for a command that outlived its deadline and its watchdog: HUNG, or the host is lost."""
        if time.monotonic() < self.begun_at + self.patience_seconds:
            return UnreachableError(
                f"nothing was heard of {self.what} for {SILENCE_SECONDS:g} s: the host is lost",
                host=self.host,
                next_step="see whether the host is up; then run the same command again",
            )
        state = "doesn't die on the host" if self.stderr.started else "didn't start"
        return UnreachableError(
            f"{self.what} {state}, {self.patience_seconds:g} s after it was sent: not waiting for it",
            host=self.host,
            next_step="see what hangs there (`ps -eo pid,stat,wchan,args`): state D means a driver or disk call",
        )

    def _completed(self, status: int | None, lost: str) -> Completed:
        ended = self.stderr.tail.rfind(self.marks.ended)
        if self.stderr.started and ended >= 0:
            status = int(self.stderr.tail[ended + len(self.marks.ended) :].split(b"\n")[0] or -1)
        elif self.enough and self.stderr.started:
            status = CUT_OFF
        elif not self.stderr.started:
            raise self._never_started(status, lost)
        elif status is None:
            raise UnreachableError(f"{lost} while {self.what} ran", host=self.host)
        stderr = bytes(self.stderr.kept)
        limit = self.stdout.limit_bytes
        mark = stderr.rfind(self.marks.ended)
        stderr = stderr[:mark] if mark >= 0 else stderr
        truncated = self.stdout.over_bytes > 0 or len(stderr) > limit or self.stderr.over_bytes > 0
        assert status is not None  # noqa: S101  # each way above ends with a number or an error
        return Completed(status, bytes(self.stdout.kept), stderr[:limit], truncated)

    def _stop_a_flood(self) -> None:
        """Hang up once as much again has come as was asked for; a little too much may end by itself."""
        for stream in (self.stdout, self.stderr):
            if stream.over_bytes > stream.limit_bytes:
                self.enough = True

    def _never_started(self, status: int | None, lost: str) -> Exception:
        """Say why the command didn't start: no shell, or no way to root."""
        said = self.stderr.before.decode(errors="replace")
        begun = self.marks.begun.decode()
        if begun not in said:
            noise = (said.strip() or self.stdout.before.decode(errors="replace").strip()).splitlines()
            last = f": {noise[-1]}" if noise else ""
            return UnreachableError(
                f"{lost} before a shell started"
                if status is None
                else f"the login shell didn't start /bin/sh{last}",
                host=self.host,
                next_step="check that the account has a login shell and that its profile doesn't end the session",
            )
        if self.become is None or (status is None and not self.enough):
            return UnreachableError(f"{lost} before {self.what} started", host=self.host)
        talk = said.split(begun, 1)[1].replace(self.marks.prompt, "")
        message, next_step = explain_refusal(
            talk,
            self.become.program,
            answered=self.prompts_answered > 0,
            asked_again=self.prompts_answered > 1,
        )
        return BecomeError(message, host=self.host, place=self.become.program, next_step=next_step)
