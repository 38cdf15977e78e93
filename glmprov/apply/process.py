"""One ansible-playbook at work, which asks for the hosts of each stage."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import yaml

from glmprov.apply import left_behind
from glmprov.apply.options import Options, ansible_home, environment
from glmprov.apply.stage_inventory import Variables, answer
from glmprov.apply.stages import NEXT_STAGE, staged
from glmprov.apply.tally import HostResult, Tally
from glmprov.errors import ApplyError
from glmprov.secret import Secret

HEAR_SECONDS = 0.5
"""How long a Ctrl-C may go unheard, and the end of Ansible while it is waited for."""

_Raw = Mapping[str, Any]


class Ansible:
    """ansible-playbook, started at once for so many stages with the sections of each.

    It works in a thread of ansible-runner; it is heard of, and answered, in the thread that calls.
    """

    def __init__(self, options: Options, stages: Sequence[Collection[str]], tally: Tally) -> None:
        self._options = options
        self._left = [frozenset(sections) for sections in stages]
        self._tally = tally
        self._heard: SimpleQueue[_Raw | None] = SimpleQueue()
        self._cancelled = threading.Event()
        self._runner: Any = None
        self._fault: BaseException | None = None
        # Mode 0700, in memory where possible.
        name = f"{left_behind.PREFIX}{os.getpid()}-"
        self._directory = Path(tempfile.mkdtemp(prefix=name, dir=left_behind.base()))
        self._door = socket.socket(socket.AF_UNIX)
        # By the folder's number: a socket's path has at most 107 bytes, and TMPDIR may be longer.
        with _number_of(self._directory) as number:
            self._door.bind(f"/proc/self/fd/{number}/hosts")
        self._door.listen()
        self._door.settimeout(HEAR_SECONDS)
        home = ansible_home()
        plays = yaml.safe_load((home / "playbooks" / f"{options.playbook}.yml").read_text())
        (self._directory / "stages.yml").write_text(yaml.safe_dump(staged(plays, stages), sort_keys=False))
        self._thread = threading.Thread(target=self._work, args=[home], name="ansible")
        self._thread.start()

    def _work(self, home: Path) -> None:
        try:
            import ansible_runner

            self._runner = ansible_runner.run(
                private_data_dir=str(self._directory),
                playbook=str(self._directory / "stages.yml"),
                inventory=str(self._directory / "hosts"),
                cmdline=self._options.command_line,
                forks=self._options.forks,
                envvars=environment(home, self._directory),
                settings={"pexpect_timeout": 1, "suppress_ansible_output": True},
                event_handler=self._hear,
                cancel_callback=self._cancelled.is_set,
                quiet=True,
            )
        except BaseException as error:
            self._fault = error
        finally:
            self._heard.put(None)

    def _hear(self, raw: _Raw) -> bool:
        """Take one event in. Return False: ansible-runner must not write it to a file."""
        self._heard.put(raw)
        return False

    def serves(self, sections: Collection[str]) -> bool:
        """Say whether its next stage has the roles of these sections."""
        return bool(self._left) and self._left[0] >= set(sections)

    def apply(
        self, variables: Mapping[str, Variables], sections: Mapping[str, Sequence[str]]
    ) -> Mapping[str, HostResult]:
        """Carry out its next stage on these hosts. Raise ApplyError if Ansible fails before it reaches any."""
        self._tally.begin(variables, secrets_of(variables))
        self._answer(answer(variables, sections, self._tally.failed))
        del self._left[0]
        for raw in self._events():
            self._tally.hear(raw)
            if raw.get("event") == "playbook_on_stats":
                self._left.clear()
                break
            if raw.get("event") == "playbook_on_play_start" and raw["event_data"]["name"] == NEXT_STAGE:
                break
        else:
            self._left.clear()
            self._check()
        return self._tally.results()

    def end(self) -> None:
        """Let it end, since no hosts are left, and leave nothing of it."""
        if self._left:
            self._answer(answer({}, {}))
        self._leave_nothing()

    def stop(self) -> None:
        """Stop it where it is, and leave nothing of it."""
        self._cancelled.set()
        self._leave_nothing()

    def _leave_nothing(self) -> None:
        while self._thread.is_alive():
            self._thread.join(HEAR_SECONDS)
        self._door.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _answer(self, hosts: bytes) -> None:
        """Wait until it asks for hosts, and answer; don't if it has ended."""
        while self._thread.is_alive():
            with suppress(TimeoutError):
                asking, _ = self._door.accept()
                with asking, suppress(OSError):  # it ended before it had read all
                    asking.sendall(hosts)
                return

    def _events(self) -> Iterator[_Raw]:
        """Yield what it says until it has ended."""
        while self._thread.is_alive() or not self._heard.empty():
            # A signal that comes just before a thread blocks is heard only when it wakes.
            with suppress(Empty):
                raw = self._heard.get(timeout=HEAR_SECONDS)
                if raw is None:
                    return
                yield raw

    def _check(self) -> None:
        if self._fault is not None:
            raise self._fault
        status, returncode = self._runner.status, self._runner.rc
        if status not in ("successful", "failed") or (returncode != 0 and not self._tally.failed):
            raise ApplyError(
                f"ansible-playbook ended with {returncode} ({status})\n{self._tally.last_words()}",
                place=self._options.playbook,
                next_step="the message above is Ansible's own",
            )


@contextmanager
def _number_of(directory: Path) -> Iterator[int]:
    number = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    try:
        yield number
    finally:
        os.close(number)


def secrets_of(variables: Mapping[str, Variables]) -> tuple[Secret, ...]:
    """Return every secret among the hosts' variables."""
    return tuple(value for host in variables.values() for value in host.values() if isinstance(value, Secret))
