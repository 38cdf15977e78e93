"""A child process on this machine that leads to a host's shell, and the talk with it."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from glmprov.remote import Completed
from glmprov.remote.conversation import Conversation
from glmprov.remote.interruption import interruptible

CHUNK_BYTES = 64 << 10


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
        with interruptible(lambda: _kill(child)):
            heard_the_end = _pump(child, conversation)
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


def _pump(child: subprocess.Popen[bytes], conversation: Conversation) -> bool:
    """Carry bytes both ways until both outputs end (True), it is enough, or patience runs out (False)."""
    assert child.stdin and child.stdout and child.stderr  # noqa: S101  # all three are pipes
    hear = {child.stdout: conversation.hear_stdout, child.stderr: conversation.hear_stderr}
    to_say = memoryview(conversation.opening())
    give_up_at = time.monotonic() + conversation.patience_seconds
    with selectors.DefaultSelector() as selector:
        for pipe in (child.stdin, *hear):
            os.set_blocking(pipe.fileno(), False)
        for pipe in hear:
            selector.register(pipe, selectors.EVENT_READ)
        saying = False
        while len(selector.get_map()) > saying and not conversation.enough:
            if not saying and to_say:
                selector.register(child.stdin, selectors.EVENT_WRITE)
                saying = True
            elif not to_say and conversation.finished_saying and not child.stdin.closed:
                with suppress(BrokenPipeError):
                    child.stdin.close()
            patience_seconds = give_up_at - time.monotonic()
            if patience_seconds <= 0:
                return False
            for key, _ in selector.select(patience_seconds):
                if key.fileobj is child.stdin:
                    to_say = _say(child.stdin.fileno(), to_say)
                    if not to_say:
                        selector.unregister(child.stdin)
                        saying = False
                    continue
                data = os.read(key.fd, CHUNK_BYTES)
                if not data:
                    selector.unregister(key.fileobj)
                    continue
                answer = hear[key.fileobj](data)  # type: ignore[index]
                if answer:
                    to_say = memoryview(bytes(to_say) + answer)
    return True


def _say(descriptor: int, to_say: memoryview) -> memoryview:
    """Write what fits and return the rest; nothing is left to say to a reader that is gone."""
    try:
        return to_say[os.write(descriptor, to_say[:CHUNK_BYTES]) :]
    except BrokenPipeError:
        return to_say[:0]


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
