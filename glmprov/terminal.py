"""What a person sees: live progress on a terminal and plain lines when piped, questions, reports."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from glmprov.errors import ExitCode, UsageError
from glmprov.report.console import console
from glmprov.results.review import HostReview
from glmprov.state import Disruption

if TYPE_CHECKING:
    from glmprov.apply import Event

_LIVE_HOSTS = 24
_PLAIN_SECONDS = 30.0
"""How often a line that only counts on (bytes, percent) is printed where there is no terminal."""
_LOOKED_AT = "probed"
_COUNT = re.compile(r"\d[\d.,]*( (bytes|[kMGT]B)\b)?")


@dataclass
class _Line:
    text: str = ""
    since: float = field(default_factory=time.monotonic)
    printed: float = 0.0

    def goes_on_with(self, text: str) -> bool:
        """Say whether a text only counts on from this one."""
        return _COUNT.sub("#", text) == _COUNT.sub("#", self.text)


class _Board:
    """The hosts of a running command, one line each; the longest-running first where they don't all fit."""

    def __init__(self, title: str) -> None:
        self.spinner = Spinner("dots", title)
        self.lines: dict[str, _Line] = {}

    def __rich__(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_row(self.spinner)
        now = time.monotonic()
        for host, line in list(self.lines.items())[:_LIVE_HOSTS]:
            table.add_row(Text(f"  {host}", "bold"), line.text, Text(f"{now - line.since:.0f} s", "dim"))
        hidden = len(self.lines) - _LIVE_HOSTS
        if hidden > 0:
            table.add_row(f"  and {hidden} more")
        return table


def step(event: Event) -> str:
    """Return what Ansible does, for a person: the section and its task, without Ansible's own book-keeping."""
    book_keeping = event.task.startswith("Validating arguments against arg spec")
    return ": ".join(part for part in (event.section, "" if book_keeping else event.task) if part)


class Terminal:
    """One command's way to its person: progress and questions on stderr, results on stdout."""

    def __init__(self, *, as_json: bool, verbose: int, diff: bool = False, check: bool = False) -> None:
        self.as_json = as_json
        self.diff = diff
        self.check = check
        self.verbose = verbose
        self.out = console(sys.stdout)
        self.err = console(sys.stderr)
        self._live: Live | None = None
        self._board: _Board | None = None
        self._steps = {"rebooting", "hook before", "hook after"}
        self.interrupted = False

    @contextmanager
    def progress(self, title: str) -> Iterator[Callable[[str, str], None]]:
        """Yield the function that takes (host, what is happening to it) while a command runs."""
        self._board = _Board(title)
        try:
            if not self.err.is_terminal:
                yield self._say_plainly
                return
            with Live(self._board, console=self.err, transient=True, refresh_per_second=8) as live:
                self._live = live
                try:
                    yield self._say_on_board
                finally:
                    self._live = None
        except KeyboardInterrupt:
            self._say_where_each_host_is()
            raise

    def _say_plainly(self, host: str, text: str) -> None:
        line = self._line(host, text)
        if time.monotonic() - line.printed >= _PLAIN_SECONDS and (text != _LOOKED_AT or self.verbose):
            line.printed = time.monotonic()
            self.err.print(Text(f"{host}: {text}"), highlight=False)

    def _say_on_board(self, host: str, text: str) -> None:
        self._line(host, text)

    def _line(self, host: str, text: str) -> _Line:
        lines = self._board.lines if self._board is not None else {}
        line = lines.get(host)
        if line is None or not line.goes_on_with(text):
            line = lines[host] = _Line()
        line.text = text
        return line

    def _say_where_each_host_is(self) -> None:
        """After an interrupt: what each host was at. Hosts that were only looked at are as they were."""
        lines = self._board.lines.items() if self._board is not None else ()
        changing = self.interrupted  # only while hosts are changed is a first Ctrl-C heard and answered
        at_work = {
            host: line.text
            for host, line in lines
            if line.text in self._steps or (changing and line.text != _LOOKED_AT)
        }
        for host, text in at_work.items():
            self.err.print(Text(f"{host}: interrupted; last seen: {text}"), highlight=False)
        if at_work:
            self.err.print("A step that was begun ends by itself on its host. Run the same again to go on.")

    def finishing(self) -> None:
        """At the first Ctrl-C while hosts are changed: say what happens now."""
        self.interrupted = True
        self.err.print(
            "interrupted: what is in flight is finished, nothing new begins. Ctrl-C again stops at once.",
            highlight=False,
        )

    def event(self, event: Event) -> None:
        """Show one step of Ansible: on the board, and as a line that stays if it changed anything or failed.

        Why it failed is in the report, which is read last.
        """
        if event.status in ("changed", "failed", "unreachable"):
            style = "green" if event.status == "changed" else "red"
            word = (
                ("would change" if self.check else "changed") if event.status == "changed" else event.status
            )
            line = Text.assemble((event.host, "bold"), "  ", (word, style), f"  {step(event)}")
            self.err.print(line, highlight=False)
        elif event.status == "started":
            self._steps.add(step(event))
            self._say_on_board(event.host, step(event))
        if self.diff and event.diff:
            self.err.print(Text(event.diff, style="dim"), highlight=False)

    def confirmation(
        self, yes: bool, allowed: Collection[Disruption] = ()
    ) -> Callable[[Sequence[HostReview]], bool]:
        """Return the question that provisioning asks after it has shown its plan.

        allowed is what it may interrupt while an instance serves.
        """

        def confirm(reviews: Sequence[HostReview]) -> bool:
            from glmprov.report import table

            if not self.as_json:
                table.show(self.err, table.plan(reviews, verbose=self.verbose > 0, allowed=allowed))
            return yes or self._ask("Change these hosts?", "say --yes to go ahead without a terminal")

        return confirm

    def asked(self, question: str) -> bool:
        """Ask a person yes or no. Raise UsageError if nobody is there."""
        return self._ask(question, "say --yes to go ahead without a terminal")

    def key_confirmation(self, yes: bool) -> Callable[[str], bool]:
        """Return the question that `host trust` asks for each key."""

        def confirm(text: str) -> bool:
            self.err.print(text, highlight=False)
            return yes or self._ask("Trust this key?", "compare the fingerprint and say --yes")

        return confirm

    def _ask(self, question: str, next_step: str) -> bool:
        if not (sys.stdin.isatty() and self.err.is_terminal):
            raise UsageError("nobody is there to ask", next_step=next_step)
        if self._live is not None:
            self._live.stop()
        try:
            return self.err.input(f"{question} \\[y/N] ").strip().lower() in ("y", "yes")
        finally:
            if self._live is not None:
                self._live.start()

    def report(self, kind: str, results: Sequence[Any], code: ExitCode) -> int:
        """Print the results of a command in the format that was asked for; return its exit code."""
        if self.as_json:
            from glmprov.report import json

            sys.stdout.write(getattr(json, kind)(results, code) + "\n")
        else:
            from glmprov.report import table

            table.show(self.out, getattr(table, kind)(results, verbose=self.verbose > 0))
        return int(code)
