"""Hosts through the `ssh` program: one master a host, kept for a minute, which Ansible shares."""

from __future__ import annotations

import socket
import subprocess
import tempfile

from glmprov.errors import UnreachableError
from glmprov.inventory import Host
from glmprov.remote import Completed, ConnectOptions
from glmprov.remote.askpass import answering
from glmprov.remote.config import SshConfig
from glmprov.remote.conversation import Conversation
from glmprov.remote.interruption import interruptible
from glmprov.remote.process import converse
from glmprov.remote.resolve import resolve
from glmprov.remote.script import COMMAND_LINE
from glmprov.remote.sharing import control_path, locked, multiplexing, quiet_environment, strictness
from glmprov.remote.ssh_failures import explain
from glmprov.remote.talker import Talker
from glmprov.secret import Secret

SSH_FAILED = 255
"""How ssh says that it, and not the command, failed."""


class OpenSshChannel(Talker):
    """Commands over a ControlPersist master, which is left to whoever comes next within a minute."""

    def __init__(
        self, host: Host, options: ConnectOptions, config: SshConfig, password: Secret | None
    ) -> None:
        super().__init__(host, options, is_root=config.user == "root")
        self.config = config
        self.control_path = control_path(config)
        self._start_master(password)

    def _converse(self, conversation: Conversation) -> Completed:
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
        with locked(self.control_path.with_suffix(".lock")):
            if self._master_answers():
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
                    raise explain(
                        self._ask_the_way() or said.read().decode(errors="replace"),
                        self.config,
                        self.host.name,
                    )

    def _ask_the_way(self) -> str:
        """Return what a jump host's ssh complains about: with ControlPersist, ssh keeps that to itself."""
        if self.config.one("proxyjump") == self.config.one("proxycommand") == "none":
            return ""
        alone = [
            "-o",
            "ControlMaster=no",
            "-o",
            "ControlPath=none",
            "-o",
            "BatchMode=yes",
            "-o",
            "LogLevel=ERROR",
        ]
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

    def _master_answers(self) -> bool:
        """Return whether a master listens: its socket outlives one that was killed."""
        with socket.socket(socket.AF_UNIX) as caller:
            return caller.connect_ex(str(self.control_path)) == 0

    def stop_master(self) -> None:
        """End the master now instead of in a minute."""
        command = ["ssh", "-S", str(self.control_path), "-O", "exit", "--", self.config.asked]
        subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)


def ssh_arguments(host: Host, options: ConnectOptions | None = None) -> list[str]:
    """Return everything that our ssh is told, so that Ansible's shares its master: for `ansible_ssh_args`.

    It belongs there: ssh takes the first value of an option, and Ansible puts ansible_ssh_args first. The
    inventory's common and extra arguments are in it, so Ansible needs them no more.
    """
    config = resolve(host, options or ConnectOptions())
    ours = [*multiplexing("auto", control_path(config)), *strictness(config)]
    return [*ours, *config.arguments, *config.extra_arguments]
