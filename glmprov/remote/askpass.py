"""A login password for `ssh`, by neither argument nor environment: a named pipe that is read once."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from glmprov.remote.config import SshConfig
from glmprov.secret import Secret

PROGRAM = """#!/bin/sh
# Answers the one question that ssh asks: this user's password on this host. Anything else stays unanswered.
case "$1" in
"$GLMPROV_ASKPASS_QUESTION"*) exec cat "$GLMPROV_ASKPASS_PIPE" ;;
esac
exit 1
"""


@contextmanager
def answering(password: Secret | None, config: SshConfig, folder: Path) -> Iterator[dict[str, str]]:
    """Give the environment for an ssh that may log in with password; without one, an ssh that asks nothing.

    The password waits in a named pipe (mode 0600, in a folder of ours) for the one reader that ssh starts.
    """
    environment = {**os.environ, "LC_ALL": "C", "SSH_ASKPASS_REQUIRE": "never"}
    if password is None:
        yield environment
        return
    name = secrets.token_hex(8)
    program, pipe = folder / f"{name}.ask", folder / f"{name}.answer"
    program.touch(mode=0o700)
    program.write_text(PROGRAM)
    os.mkfifo(pipe, mode=0o600)
    writer = threading.Thread(target=_write_once, args=(pipe, password), daemon=True)
    writer.start()
    try:
        yield environment | {
            "SSH_ASKPASS": str(program),
            "SSH_ASKPASS_REQUIRE": "force",
            "GLMPROV_ASKPASS_PIPE": str(pipe),
            "GLMPROV_ASKPASS_QUESTION": f"{config.user}@",
        }
    finally:
        _release(pipe, writer)
        program.unlink()
        pipe.unlink()


def _write_once(pipe: Path, password: Secret) -> None:
    """Wait for a reader, and hand it the password."""
    with suppress(BrokenPipeError, FileNotFoundError), pipe.open("wb") as out:
        out.write(password.reveal().encode() + b"\n")


def _release(pipe: Path, writer: threading.Thread) -> None:
    """End a writer to whom no reader came, by reading what it has to say."""
    if writer.is_alive():
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        writer.join(timeout=1)
        os.close(reader)
