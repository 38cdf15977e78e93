"""Hosts through paramiko: one connection a host in this process, for logins by plain key, agent or password."""

from __future__ import annotations

import logging
import select
import threading
import time
from contextlib import suppress

from glmprov.errors import GlmprovError, UnreachableError
from glmprov.inventory import Host
from glmprov.remote import Completed, ConnectOptions, known_hosts, reaching
from glmprov.remote.config import SshConfig
from glmprov.remote.conversation import Conversation
from glmprov.remote.interruption import interruptible
from glmprov.remote.lean_paramiko import paramiko
from glmprov.remote.paramiko_login import log_in
from glmprov.remote.script import COMMAND_LINE
from glmprov.remote.talker import Talker
from glmprov.secret import Secret

CHUNK_BYTES = 64 << 10

# Without a handler, Python prints paramiko's tracebacks of lost connections to the terminal.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class ParamikoChannel(Talker):
    """Commands over one paramiko connection."""

    def __init__(
        self, host: Host, options: ConnectOptions, config: SshConfig, password: Secret | None
    ) -> None:
        super().__init__(host, options, is_root=config.user == "root")
        self.config = config
        self.transport = _connect(config, options, host.name)
        try:
            log_in(self.transport, config, password, host.name)
        except BaseException:
            self.transport.close()
            raise

    def _converse(self, conversation: Conversation) -> Completed:
        try:
            session = self.transport.open_session(timeout=self.options.connect_seconds)
            session.exec_command(COMMAND_LINE)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise UnreachableError(f"the connection was lost: {error}", host=self.host.name) from error
        with session, interruptible(session.close):
            return _converse(self.transport, session, conversation)

    def _close(self) -> None:
        self.transport.close()


def _connect(config: SshConfig, options: ConnectOptions, name: str) -> paramiko.Transport:
    """Open a connection and check the host's key; nobody is logged in yet."""
    transport = paramiko.Transport(reaching.dial(config, options, name))
    try:
        _prefer(transport, config)
        with interruptible(transport.close):
            transport.start_client(timeout=options.connect_seconds)
        key = transport.get_remote_server_key()
        known_hosts.check(
            config.known_hosts_files, config.host_key_name, key.get_name(), key.get_base64(), host=name
        )
    except GlmprovError:
        transport.close()
        raise
    except paramiko.ssh_exception.IncompatiblePeer as error:
        transport.close()
        raise reaching.BeyondLibraryError("the host offers no algorithm that paramiko knows") from error
    except (paramiko.SSHException, OSError, EOFError) as error:
        transport.close()
        raise reaching.not_ssh(config, name, str(error)) from error
    return transport


def _prefer(transport: paramiko.Transport, config: SshConfig) -> None:
    """Offer what the configuration allows: cheap key exchanges and ciphers first, known kinds of host key first."""
    offered = transport.get_security_options()
    offered.kex = reaching.allowed(offered.kex, config.kex_algorithms)
    offered.ciphers = reaching.allowed(offered.ciphers, reaching.ciphers(config))
    offered.digests = reaching.allowed(offered.digests, config.one("macs", "").split(","))
    kinds = reaching.allowed(offered.key_types, config.one("hostkeyalgorithms", "").split(","))
    offered.key_types = reaching.key_kinds(config, kinds)


def _converse(
    transport: paramiko.Transport, session: paramiko.Channel, conversation: Conversation
) -> Completed:
    """Let conversation speak with the shell behind session; return what came of it."""
    voice = _Voice(session)
    voice.say(conversation.opening(), close=conversation.finished_saying)
    while not conversation.enough:
        patience_seconds = conversation.give_up_at - time.monotonic()
        if patience_seconds <= 0:
            raise conversation.out_of_patience()
        ended = session.eof_received or session.closed
        select.select([session], [], [], 0 if ended else min(patience_seconds, 1.0))
        if session.recv_ready():
            _answer(voice, conversation, conversation.hear_stdout(session.recv(CHUNK_BYTES)))
        if session.recv_stderr_ready():
            _answer(voice, conversation, conversation.hear_stderr(session.recv_stderr(CHUNK_BYTES)))
        elif not session.recv_ready() and (ended or not transport.is_active()):
            break
    if conversation.enough:
        return conversation.result(None)
    session.status_event.wait(timeout=5)
    status = session.recv_exit_status() if session.exit_status_ready() else -1
    return conversation.result(status if status >= 0 else None)


def _answer(voice: _Voice, conversation: Conversation, answer: bytes) -> None:
    if answer or conversation.finished_saying:
        voice.say(answer, close=conversation.finished_saying)


class _Voice:
    """What we say to a session, by a thread of its own where it may not fit into the window at once."""

    def __init__(self, session: paramiko.Channel) -> None:
        self.session = session
        self.closed = False

    def say(self, data: bytes, *, close: bool) -> None:
        """Send data, and end the input after it if close. What a closed session doesn't hear is dropped."""
        if self.closed:
            return
        self.closed = close
        threading.Thread(target=self._send, args=(data, close), daemon=True).start()

    def _send(self, data: bytes, close: bool) -> None:
        with suppress(OSError, EOFError, paramiko.SSHException):
            if data:
                self.session.sendall(data)
            if close:
                self.session.shutdown_write()
