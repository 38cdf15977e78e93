"""Hosts through libssh2: one connection a host in this process, for logins by a plain key file.

Nearly all of it is compiled: a login and a probe cost a third of the CPU that they cost through paramiko.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from contextlib import suppress
from typing import Any

from ssh2.error_codes import LIBSSH2_ERROR_EAGAIN
from ssh2.exceptions import SSH2Error, Timeout
from ssh2.session import LIBSSH2_SESSION_BLOCK_INBOUND, LIBSSH2_SESSION_BLOCK_OUTBOUND

from glmprov.errors import UnreachableError
from glmprov.inventory import Host
from glmprov.remote import Completed, ConnectOptions
from glmprov.remote.config import SshConfig
from glmprov.remote.conversation import Conversation
from glmprov.remote.interruption import interruptible
from glmprov.remote.libssh2_login import log_in, shake_hands
from glmprov.remote.reaching import dial
from glmprov.remote.script import COMMAND_LINE
from glmprov.remote.talker import Talker

CHUNK_BYTES = 64 << 10


class _Socket(socket.socket):
    """A socket that is closed with its last user.

    libssh2 keeps the number and says goodbye to it when the session is freed, which may be later than we think. Closed
    before, the number could be another host's connection by then.
    """

    def __del__(self) -> None:
        self.close()


class Libssh2Channel(Talker):
    """Commands over one libssh2 connection, one at a time."""

    def __init__(self, host: Host, options: ConnectOptions, config: SshConfig) -> None:
        """Connect and log in. Errors as glmprov.remote.connect, and BeyondLibraryError if paramiko may do better."""
        super().__init__(host, options, is_root=config.user == "root")
        self.config = config
        self._one_at_a_time = threading.Lock()
        self._hung_up = threading.Event()
        self._socket = _Socket(fileno=dial(config, options, host.name).detach())
        try:
            with interruptible(self._hang_up):
                self._session = shake_hands(self._socket, options.connect_seconds, config, host.name)
                log_in(self._session, config, host.name)
        except BaseException:
            self._part()
            raise

    def _converse(self, conversation: Conversation) -> Completed:
        with self._one_at_a_time, interruptible(self._hang_up):
            try:
                self._take_at_most(self.options.connect_seconds)
                channel = self._session.open_session()
                channel.execute(COMMAND_LINE)
            except (SSH2Error, OSError) as error:
                raise self._lost(error) from error
            return self._heard_out(channel, conversation)

    def _take_at_most(self, seconds: float) -> None:
        """Let each of the next calls wait for the host, but not longer."""
        self._session.set_blocking(True)
        self._session.set_timeout(int(seconds * 1000))

    def _heard_out(self, channel: Any, conversation: Conversation) -> Completed:
        """Let conversation speak with the shell behind channel; return what came of it."""
        voice = _Voice(channel)
        voice.say(conversation.opening(), last=conversation.finished_saying)
        try:
            self._session.set_blocking(False)
            while not conversation.enough:
                said = voice.go_on()
                heard = _hear(channel, conversation, voice)
                if not heard and channel.eof():
                    break
                if time.monotonic() >= conversation.give_up_at:
                    raise conversation.out_of_patience()
                if not said and not heard:
                    self._wait(conversation.give_up_at)
            status = None if conversation.enough else self._status(channel)
        except (SSH2Error, OSError) as error:
            if self._hung_up.is_set():
                raise self._lost(error) from error
            return conversation.result(None)
        return conversation.result(status)

    def _status(self, channel: Any) -> int | None:
        """Close the channel and return the exit status; None if the host sent none in time."""
        self._take_at_most(5)
        with suppress(Timeout):
            channel.close()
            channel.wait_closed()
            return int(channel.get_exit_status())
        return None

    def _wait(self, until: float) -> None:
        """Wait until libssh2 can go on, somebody hangs up, or the time has come."""
        directions = self._session.block_directions()
        events = select.POLLIN if directions & LIBSSH2_SESSION_BLOCK_INBOUND else 0
        events |= select.POLLOUT if directions & LIBSSH2_SESSION_BLOCK_OUTBOUND else 0
        poll = select.poll()
        poll.register(self._socket, events or select.POLLIN)
        poll.poll(max(0.0, until - time.monotonic()) * 1000)
        if self._hung_up.is_set():
            raise ConnectionAbortedError("interrupted")

    def _hang_up(self) -> None:
        """End all waiting, from another thread: libssh2 itself is this thread's alone, the socket is not."""
        self._hung_up.set()
        self._part()

    def _lost(self, error: Exception) -> UnreachableError:
        why = str(error) or self._session.last_error() or type(error).__name__
        said = "interrupted" if self._hung_up.is_set() else f"the connection was lost: {why}"
        return UnreachableError(said, host=self.host.name)

    def _close(self) -> None:
        """Close the connection, with a word of leave if the host listens."""
        with suppress(SSH2Error, OSError):
            self._session.set_blocking(False)
            self._session.disconnect()
        self._part()

    def _part(self) -> None:
        """End the connection; its number stays taken until libssh2's session is gone."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


def _hear(channel: Any, conversation: Conversation, voice: _Voice) -> bool:
    """Take in what has come on both outputs; say whether anything has."""
    heard = False
    for read, hear in (
        (channel.read, conversation.hear_stdout),
        (channel.read_stderr, conversation.hear_stderr),
    ):
        size, data = read(CHUNK_BYTES)
        if size > 0:
            heard = True
            voice.say(hear(data), last=conversation.finished_saying)
    return heard


class _Voice:
    """The way to the command's input: says what fits, keeps the rest, ends the input after the last."""

    def __init__(self, channel: Any) -> None:
        self.channel = channel
        self.rest = b""
        self.last = False
        self.ended = False

    def say(self, data: bytes, *, last: bool) -> None:
        """Say data after what is still waiting; nothing comes after the last."""
        if not self.last:
            self.rest += data
            self.last = last

    def go_on(self) -> bool:
        """Write what fits; say whether anything did. To a command that has ended there is nothing left to say."""
        if self.ended or not (self.rest or self.last):
            return False
        if self.channel.eof():
            self.ended = True
            return False
        written = 0
        if self.rest:
            _, written = self.channel.write(self.rest)
            self.rest = self.rest[written:]
        if self.last and not self.rest:
            self.ended = self.channel.send_eof() != LIBSSH2_ERROR_EAGAIN
        return written > 0
