"""Hosts through the `ssh` program: one master a host, kept for a minute, which Ansible shares."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from glmprov.errors import GlmprovError, HostKeyError, UnreachableError
from glmprov.inventory import Host
from glmprov.remote import Completed, ConnectOptions
from glmprov.remote.askpass import answering
from glmprov.remote.become import wanted, way_to_root
from glmprov.remote.config import SshConfig, resolve
from glmprov.remote.conversation import Conversation
from glmprov.remote.interruption import interruptible
from glmprov.remote.process import converse
from glmprov.remote.script import COMMAND_LINE
from glmprov.secret import Secret

PERSIST_SECONDS = 60
"""How long a master outlives its last command: from the probe to Ansible's first task, and from there to the next."""

LONGEST_SOCKET_BYTES = 85
"""A Unix socket's path holds 107 bytes, and ssh adds 17 to the control path while it makes the socket."""

SSH_FAILED = 255
"""How ssh says that it, and not the command, failed."""

FAILURES = (
    (r"Permission denied|Too many authentication failures|No more authentication methods", "the login as {user} is refused: {last}", "check the user (-u) and the key (--private-key), or try `ssh -l {user} -p {port} {asked}`"),
    (r"Could not resolve hostname|Name or service not known", "the name {hostname} can't be resolved", "check ansible_host, or the name's spelling"),
    (r"Connection refused", "{hostname} port {port} refuses connections", "check that sshd runs there, and ansible_port"),
    (r"timed out|No route to host|Network is unreachable", "{hostname} port {port} doesn't answer: {last}", "check that the host is up and the network lets you through"),
    (r"Unable to negotiate", "no common algorithm: {last}", "compare `ssh -G {asked}` with what the server offers"),
)  # fmt: skip
"""What ssh prints when it can't connect, what it means and what to do; the first that matches counts."""


class OpenSshChannel:
    """Commands over a ControlPersist master."""

    def __init__(
        self, host: Host, options: ConnectOptions, config: SshConfig, password: Secret | None
    ) -> None:
        self.host = host
        self.options = options
        self.config = config
        self.control_path = control_path(config)
        self._start_master(password)

    @property
    def becomes(self) -> bool:
        """Whether there is a way to root."""
        return self.config.user == "root" or wanted(self.host, self.options)

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        deadline_seconds: float = 60.0,
        become: bool = False,
        max_output_bytes: int = 8 << 20,
    ) -> Completed:
        """Run argv on the host. Errors as Channel.run."""
        conversation = Conversation(
            argv,
            host=self.host.name,
            stdin=stdin,
            deadline_seconds=deadline_seconds,
            max_output_bytes=max_output_bytes,
            become=way_to_root(self.host, self.options) if become and self.config.user != "root" else None,
        )
        command = ["ssh", *self._arguments(), "-T", "--", self.config.asked, COMMAND_LINE]
        return converse(command, conversation, environment=quiet_environment(), lost_status=SSH_FAILED)

    @property
    def _login_seconds(self) -> float:
        """How long a login may take in all: jump hosts, key exchanges, keys that are touched."""
        return 3 * self.options.connect_seconds + 10

    def _arguments(self) -> list[str]:
        """Return ssh's options for a command: through the master, or alone if the master has gone."""
        config = self.config
        ours = multiplexing("auto", self.control_path) + strictness(config)
        timeout = ["-o", f"ConnectTimeout={max(1, round(self.options.connect_seconds))}"]
        return [*ours, "-o", "BatchMode=yes", *timeout, *config.arguments, *config.extra_arguments]

    def _start_master(self, password: Secret | None) -> None:
        """Make sure that a master runs, so that a failure to connect has its own place and time."""
        with _locked(self.control_path.with_suffix(".lock")):
            if self.control_path.exists() and self._ask_master("check") == 0:
                return
            self.control_path.unlink(missing_ok=True)
            batch = ["-o", "BatchMode=yes"] if password is None else ["-o", "NumberOfPasswordPrompts=1"]
            arguments = [
                *multiplexing("yes", self.control_path),
                *strictness(self.config),
                *batch,
                "-o", f"ConnectTimeout={max(1, round(self.options.connect_seconds))}",
                "-o", "LogLevel=ERROR",
                *self.config.arguments,
                *self.config.extra_arguments,
            ]  # fmt: skip
            # A file and not a pipe: the master and its jump hosts keep this end open for as long as they live.
            with (
                tempfile.TemporaryFile() as said,
                answering(password, self.config, self.control_path.parent) as env,
            ):
                command = ["ssh", *arguments, "-N", "-f", "-T", "--", self.config.asked]
                master = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=said,
                    env=env,
                    start_new_session=True,
                )
                try:
                    with interruptible(master.kill):
                        status = master.wait(timeout=self._login_seconds)
                except subprocess.TimeoutExpired:
                    master.kill()
                    master.wait()
                    raise UnreachableError(
                        f"no login within {self._login_seconds:g} s", host=self.host.name
                    ) from None
                if status:
                    said.seek(0)
                    raise explain(self._ask_the_way() or said.read().decode(errors="replace"), self.config, self.host.name)

    def _ask_the_way(self) -> str:
        """Return what a jump host's ssh complains about: with ControlPersist, ssh keeps that to itself."""
        if self.config.one("proxyjump") == self.config.one("proxycommand") == "none":
            return ""
        alone = ["-o", "ControlMaster=no", "-o", "ControlPath=none", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]
        command = ["ssh", *alone, *self._arguments(), "-T", "--", self.config.asked, "true"]
        try:
            answer = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=quiet_environment(),
                start_new_session=True,
                timeout=self._login_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return ""
        return answer.stderr.decode(errors="replace")

    def _ask_master(self, question: str) -> int:
        """Ask the master a question (`ssh -O`): 0 if it is there."""
        command = ["ssh", "-S", str(self.control_path), "-O", question, "--", self.config.asked]
        return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False).returncode

    def stop_master(self) -> None:
        """End the master now instead of in a minute."""
        self._ask_master("exit")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the master to whoever comes next within a minute."""


def ssh_arguments(host: Host, options: ConnectOptions | None = None) -> list[str]:
    """Return everything that our ssh is told, so that Ansible's shares its master: for `ansible_ssh_args`.

    It belongs there: ssh takes the first value of an option, and Ansible puts ansible_ssh_args first. The
    inventory's common and extra arguments are in it, so Ansible needs them no more.
    """
    config = resolve(host, options or ConnectOptions())
    ours = [*multiplexing("auto", control_path(config)), *strictness(config)]
    return [*ours, *config.arguments, *config.extra_arguments]


def multiplexing(master: str, path: Path) -> list[str]:
    """Return the options that share one connection."""
    return [
        "-o",
        f"ControlMaster={master}",
        "-o",
        f"ControlPersist={PERSIST_SECONDS}s",
        "-o",
        f"ControlPath={path}",
    ]


def strictness(config: SshConfig) -> list[str]:
    """Return what holds for every connection: known hosts only, the cheap key exchange first, no dead masters.

    A master whose host lost power would otherwise look alive until TCP gives up, a quarter of an hour later.
    """
    arguments = ["-o", "StrictHostKeyChecking=yes", "-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3"]
    if config.kex_algorithms:
        arguments += ["-o", f"KexAlgorithms={','.join(config.kex_algorithms)}"]
    return arguments


def control_path(config: SshConfig) -> Path:
    """Return where the master's socket for this way to a host lies: the same for everyone who asks the same."""
    return control_directory() / config.fingerprint


def control_directory() -> Path:
    """Return a folder for sockets that only we can enter, with a path short enough for a socket."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    candidates = [Path(runtime) / "glmprov"] if runtime and Path(runtime).is_dir() else []
    candidates += [home / "glmprov" / "ssh", Path("/tmp") / f"glmprov-{os.getuid()}"]  # noqa: S108  # checked below
    for folder in candidates:
        if len(os.fsencode(folder)) + 17 > LONGEST_SOCKET_BYTES:
            continue
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = folder.lstat()
        if folder.is_symlink() or held.st_uid != os.getuid() or held.st_mode & 0o077:
            raise UnreachableError("is open to others, so it can't hold SSH sockets", place=str(folder))
        return folder
    raise UnreachableError(
        "no folder for SSH sockets has a short enough path", next_step="set XDG_RUNTIME_DIR"
    )


def quiet_environment() -> dict[str, str]:
    """Return our environment for ssh: its messages in English, and no window that asks for a password."""
    return {**os.environ, "LC_ALL": "C", "SSH_ASKPASS_REQUIRE": "never"}


def explain(said: str, config: SshConfig, name: str) -> GlmprovError:
    """Return what ssh printed on failing as an error that a person can act on."""
    trust = f"glmprov host trust {name}"
    changed = re.search(r"Offending \S+ key in (\S+):(\d+)", said)
    if "IDENTIFICATION HAS CHANGED" in said and changed:
        return HostKeyError(
            f"the host key has changed; {changed[1]}:{changed[2]} holds another one. Someone may be in between",
            host=name,
            place=f"{changed[1]}:{changed[2]}",
            next_step=f"if the host was reinstalled: {trust} --replace",
        )
    unknown = re.search(r"No (\S+) host key is known for (\S+) and", said)
    if unknown:
        return HostKeyError(f"the host key of {unknown[2]} is unknown", host=name, next_step=trust)
    if "revoked" in said.lower():
        return HostKeyError("the host shows a key that is revoked", host=name)
    if "Host key verification failed" in said:
        # Our own end is strict and says more than this; a jump host's end only says so much.
        return HostKeyError(
            f"a jump host on the way ({config.one('proxyjump')}) is unknown, or its key has changed",
            host=name,
            place="ProxyJump",
            next_step=trust,
        )
    words = {
        "user": config.user, "port": config.port, "asked": config.asked,
        "hostname": config.hostname, "last": _last_line(said),
    }  # fmt: skip
    for pattern, message, next_step in FAILURES:
        if re.search(pattern, said):
            return UnreachableError(message.format(**words), host=name, next_step=next_step.format(**words))
    return UnreachableError(
        f"ssh failed: {_last_line(said)}", host=name, next_step=f"try `ssh -v {config.asked}`"
    )


def _last_line(said: str) -> str:
    """Return the last line of ssh's that says something, without its own name in front."""
    lines = [line.strip().removeprefix("ssh: ") for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes and threads, so that a host gets one master."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
