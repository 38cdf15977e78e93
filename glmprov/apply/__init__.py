"""Settings: a playbook with variables by host, through ansible-runner. The only caller of ansible-playbook.

Secrets: a host's passwords go into one inventory file, in a folder of mode 0700 that lies in memory
(/dev/shm) where the machine has that, and is removed when the run ends, however it ends; what a killed run
left behind is removed by the next one (see left_behind). Nothing secret is in argv, in the environment, or in
an artifact, and messages are cleared of it.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import FrameType
from typing import Any

from glmprov.apply import left_behind
from glmprov.apply.events import Event, Status, understand
from glmprov.apply.inventory_file import Variables, write_inventory
from glmprov.errors import ApplyError
from glmprov.secret import Secret, redact
from glmprov.state import SECTIONS

__all__ = ["Event", "HostResult", "Status", "ansible_home", "left_behind", "run"]


@dataclass(frozen=True)
class HostResult:
    """What became of a host. changed are the tasks that changed something; error is why it stopped.

    In check mode changed are the tasks that would. A host of which Ansible said nothing (interrupted, or it
    had nothing to do) has neither.
    """

    host: str
    changed: tuple[str, ...] = ()
    error: ApplyError | None = None
    unreachable: bool = False
    tasks: int = 0


def ansible_home() -> Path:
    """Return the folder with playbooks/ and roles/: the clone's top, or the package's own copy in a wheel."""
    packaged = Path(str(files("glmprov"))) / "ansible"
    return packaged if packaged.is_dir() else Path(str(files("glmprov"))).parent


def run(
    playbook: str,
    variables: Mapping[str, Variables],
    *,
    sections: Mapping[str, Sequence[str]],
    on_event: Callable[[Event], None],
    check: bool = False,
    diff: bool = False,
    forks: int = 16,
) -> Mapping[str, HostResult]:
    """Run a playbook of ours ("provision") on the hosts of variables, and return what became of each.

    variables are a host's role variables and connection variables by its name, sections the roles to apply
    there. on_event hears of each task as it starts and ends, in this thread. Raise ApplyError if Ansible fails before
    it reaches any host, KeyboardInterrupt after stopping Ansible if a signal's handler raises it.
    """
    home = ansible_home()
    tally = _Tally(tuple(variables), secrets_of(variables), on_event)
    with _private_directory() as directory, _interruptible() as interrupted:
        write_inventory(directory / "inventory" / "hosts.yml", variables, sections)
        import ansible_runner

        runner = ansible_runner.run(
            private_data_dir=str(directory),
            playbook=str(home / "playbooks" / f"{playbook}.yml"),
            inventory=str(directory / "inventory" / "hosts.yml"),
            cmdline=_options(sections, check, diff),
            forks=forks,
            envvars=_environment(home, directory),
            settings={"pexpect_timeout": 1, "suppress_ansible_output": True},
            event_handler=tally.hear,
            cancel_callback=interrupted.is_set,
            quiet=True,
        )
    if interrupted.is_set():
        raise KeyboardInterrupt
    if runner.status not in ("successful", "failed") or (runner.rc and not tally.failed()):
        raise ApplyError(
            f"ansible-playbook ended with {runner.rc} ({runner.status})\n{tally.last_words()}",
            place=playbook,
            next_step="the message above is Ansible's own",
        )
    return tally.results()


def _options(sections: Mapping[str, Sequence[str]], check: bool, diff: bool) -> str:
    """Return ansible-playbook's options. Tags leave out roles that no host needs: skipping costs time."""
    tags = sorted({section for chosen in sections.values() for section in chosen} or set(SECTIONS))
    return " ".join(
        ["--tags", ",".join(tags), *(["--check"] if check else []), *(["--diff"] if diff else [])]
    )


def secrets_of(variables: Mapping[str, Variables]) -> tuple[Secret, ...]:
    """Return every secret among the hosts' variables."""
    return tuple(value for host in variables.values() for value in host.values() if isinstance(value, Secret))


class _Tally:
    """Hears ansible-runner's events, passes them on, and keeps what became of each host."""

    def __init__(
        self, hosts: tuple[str, ...], secrets: tuple[Secret, ...], on_event: Callable[[Event], None]
    ) -> None:
        self._secrets = secrets
        self._on_event = on_event
        self._results = {host: HostResult(host) for host in hosts}
        self._words: list[str] = []

    def hear(self, raw: Mapping[str, Any]) -> bool:
        """Take one event in. Return False: ansible-runner must not write it to a file."""
        self._words += [line for line in str(raw.get("stdout") or "").splitlines() if line.strip()]
        del self._words[:-20]
        event = understand(raw, self._secrets)
        if event is not None:
            if event.status is not Status.STARTED:
                self._count(event)
            self._on_event(event)
        return False

    def _count(self, event: Event) -> None:
        before = self._results.get(event.host, HostResult(event.host))
        failed = event.status in (Status.FAILED, Status.UNREACHABLE)
        changed = (f"{event.section}: {event.task}",) if event.status is Status.CHANGED else ()
        error = ApplyError(event.message, host=event.host, place=f"{event.section}: {event.task}".strip(": "))
        self._results[event.host] = HostResult(
            event.host,
            changed=before.changed + changed,
            error=error if failed else before.error,
            unreachable=before.unreachable or event.status is Status.UNREACHABLE,
            tasks=before.tasks + 1,
        )

    def failed(self) -> bool:
        return any(result.error for result in self._results.values())

    def last_words(self) -> str:
        return redact("\n".join(self._words), self._secrets)

    def results(self) -> Mapping[str, HostResult]:
        return dict(self._results)


def _environment(home: Path, directory: Path) -> dict[str, str]:
    """Return Ansible's settings. A user's ansible.cfg is not read: it could make a role behave differently.

    How hosts are reached is in their variables, resolved from the user's ssh_config and inventory.
    """
    config = directory / "ansible.cfg"
    config.write_text("[defaults]\n")
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "ANSIBLE_CONFIG": str(config),
        "ANSIBLE_ROLES_PATH": str(home / "roles"),
        "ANSIBLE_LOCAL_TEMP": str(directory / "tmp"),
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_GATHERING": "explicit",
        "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
        "ANSIBLE_INVENTORY_ENABLED": "yaml",
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
        "ANSIBLE_DEPRECATION_WARNINGS": "False",
        "ANSIBLE_NOCOWS": "True",
        "ANSIBLE_NOCOLOR": "True",
    }


@contextmanager
def _private_directory() -> Iterator[Path]:
    """Give an empty folder for one run, mode 0700, in memory where possible; remove it at the end."""
    directory = Path(tempfile.mkdtemp(prefix=f"{left_behind.PREFIX}{os.getpid()}-", dir=left_behind.base()))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """Give an event that is set where an interrupt would stop us, so that Ansible is stopped before all else.

    The handler from before decides: it may let the first Ctrl-C pass.
    """
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    before = signal.getsignal(signal.SIGINT)

    def hear(number: int, frame: FrameType | None) -> None:
        try:
            if callable(before):
                before(number, frame)
        except KeyboardInterrupt:
            interrupted.set()

    signal.signal(signal.SIGINT, hear)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
