"""A child process on this machine that leads to a host's shell, and the talk with it."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO

from glmprov.errors import UnreachableError
from glmprov.remote import Completed
from glmprov.remote.conversation import Conversation
from glmprov.remote.interruption import interruptible

CHUNK_BYTES = 64 << 10

LOOK_UP_SECONDS = 0.5
"""How often a silent talk looks whether the user has had enough of it."""


def converse(
    argv: Sequence[str],
    conversation: Conversation,
    *,
    environment: Mapping[str, str] | None = None,
    lost_status: int | None = None,
) -> Completed:
    """Run argv here, let conversation speak with the shell behind it, and return what came of it.

    lost_status is the exit status by which argv says that the host was lost. Raise as Conversation.result does,
    and UnreachableError if the other end stays silent beyond the conversation's patience.
    """
    child = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,  # no terminal: nothing may prompt past us, and Ctrl-C comes to us alone
    )
    try:
        hung_up = threading.Event()
        with interruptible(hung_up.set):
            heard_the_end = _pump(child, conversation, hung_up)
        if hung_up.is_set():
            raise UnreachableError("interrupted", host=conversation.host)
        if conversation.enough:
            return conversation.result(None)
        if not heard_the_end:
            raise conversation.out_of_patience()
        try:
            status: int | None = child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            status = None
        return conversation.result(None if status == lost_status else status)
    finally:
        _end(child)


def _pump(child: subprocess.Popen[bytes], conversation: Conversation, hung_up: threading.Event) -> bool:
    """Carry bytes both ways until both outputs end (True), it is enough, or patience runs out (False)."""
    assert child.stdin and child.stdout and child.stderr  # noqa: S101  # all three are pipes
    with selectors.DefaultSelector() as selector:
        mouth = _Mouth(child.stdin, selector)
        mouth.say(conversation.opening(), last=conversation.finished_saying)
        ears = {child.stdout: conversation.hear_stdout, child.stderr: conversation.hear_stderr}
        for pipe, hear in ears.items():
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, selectors.EVENT_READ, hear)
        listening = len(ears)
        while listening and not conversation.enough and not hung_up.is_set():
            patience_seconds = conversation.give_up_at - time.monotonic()
            if patience_seconds <= 0:
                return False
            for key, _ in selector.select(min(patience_seconds, LOOK_UP_SECONDS)):
                if key.data is None:
                    mouth.go_on()
                elif data := os.read(key.fd, CHUNK_BYTES):
                    mouth.say(key.data(data), last=conversation.finished_saying)
                else:
                    selector.unregister(key.fileobj)
                    listening -= 1
    return True


class _Mouth:
    """The way to the child's input: says what fits, waits for room with the rest, closes after the last."""

    def __init__(self, pipe: IO[bytes], selector: selectors.BaseSelector) -> None:
        self.pipe = pipe
        self.selector = selector
        self.rest = memoryview(b"")
        self.last = False
        os.set_blocking(pipe.fileno(), False)

    def say(self, data: bytes, *, last: bool) -> None:
        """Say data after what is still waiting; nothing comes after the last."""
        if self.last:
            return
        self.last = last
        if not self.rest and (data or last):
            self.selector.register(self.pipe, selectors.EVENT_WRITE)
        self.rest = memoryview(bytes(self.rest) + data)

    def go_on(self) -> None:
        """Write what fits. To a reader that is gone there is nothing left to say."""
        try:
            self.rest = self.rest[os.write(self.pipe.fileno(), self.rest[:CHUNK_BYTES]) :]
        except BrokenPipeError:
            self.rest = self.rest[:0]
        if not self.rest:
            self.selector.unregister(self.pipe)
            if self.last:
                self.pipe.close()


def _end(child: subprocess.Popen[bytes]) -> None:
    """Leave no child behind: close its pipes and kill its process group if it still runs."""
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe and not pipe.closed:
            with suppress(BrokenPipeError):
                pipe.close()
    _kill(child)
    child.wait()


def _kill(child: subprocess.Popen[bytes]) -> None:
    """Kill the child's process group if it still runs."""
    if child.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
