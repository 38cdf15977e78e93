"""Files from this machine to a host by rsync, over the same ssh as everything else."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from glmprov.errors import FetchError, GlmprovError, UnreachableError
from glmprov.inventory import Host
from glmprov.remote import ConnectOptions, connect
from glmprov.remote.interruption import interruptible
from glmprov.remote.sharing import quiet_environment

PARTIAL = ".glmprov-partial"
"""Where on the host a file lies that is under way: the next run goes on with it."""
SILENT_SECONDS = 60

Heard = Callable[[int, int], object]
"""Called with the bytes and the files so far."""

PROGRESS = re.compile(rb"\s*([\d,.]+)\s+\d+%")
FILES_DONE = re.compile(rb"xfr#(\d+)")

FAILURES = (
    (
        r"No space left on device",
        "the host's disk is full",
        "make room, then run the same command again: it goes on where it stopped",
    ),
    (
        r"rsync: (command )?not found|rsync: not found|not found.*rsync|remote command not found",
        "there is no rsync on the host",
        "apt-get install rsync there; or let the host fetch from a hub",
    ),
    (
        r"Permission denied",
        "the login may not write there: {said}",
        "become root (ansible_become: true, or -b)",
    ),
    (
        r"connection unexpectedly closed|Connection (closed|reset)|timeout|timed out|Broken pipe",
        "the host was lost in the middle: {said}",
        "run the same command again: it goes on where it stopped",
    ),
)
"""What rsync says when it fails, what it means and what to do; the first that matches counts."""


def send(
    host: Host,
    options: ConnectOptions,
    source: Path,
    files: Sequence[str],
    target: str,
    heard: Heard | None = None,
) -> None:
    """Bring files, given relative to source, into a folder of the host that the login may write.

    A link is followed: a hub's cache is made of them. What is there with the same size and time is left; what was cut
    off goes on. Raise FetchError if rsync fails, UnreachableError if the host is lost.
    """
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as names:
        names.write(b"\0".join(os.fsencode(name) for name in files))
        names.seek(0)
        try:
            status = _run(arguments(host, options, source, target), names.fileno(), said.fileno(), heard)
        except FileNotFoundError as error:
            raise FetchError(
                "there is no rsync on this machine", next_step="apt-get install rsync"
            ) from error
        if status:
            said.seek(0)
            raise explain(status, said.read().decode(errors="replace"), host.name)


def arguments(host: Host, options: ConnectOptions, source: Path, target: str) -> list[str]:
    """Return rsync's command line; ssh's master is up then, so that nothing is asked."""
    ours = [
        "rsync", "--recursive", "--copy-links", "--times", "--chmod=D755,F644", f"--partial-dir={PARTIAL}",
        "--info=progress2", "--outbuf=L", f"--timeout={SILENT_SECONDS}", "--files-from=-", "--from0",
    ]  # fmt: skip
    if host.is_local:
        return [*ours, f"{source}/", f"{target}/"]
    from glmprov.remote.openssh import ssh_arguments
    from glmprov.remote.resolve import resolve

    by_openssh = replace(host, variables={**host.variables, "glmprov_channel": "openssh"})
    with connect(by_openssh, options):
        asked = resolve(host, options).asked
        shell = shlex.join(["ssh", *ssh_arguments(host, options), "-o", "BatchMode=yes"])
    there = f"[{asked}]" if ":" in asked else asked
    return [*ours, f"--rsh={shell}", f"{source}/", f"{there}:{target}/"]


# Without it, an rsync whose parent was killed goes on to the end.
_ENDS_WITH_US = ("setpriv", "--pdeathsig", "TERM") if shutil.which("setpriv") else ()


def _run(argv: Sequence[str], stdin: int, stderr: int, heard: Heard | None) -> int:
    child = subprocess.Popen(
        [*_ENDS_WITH_US, *argv],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=quiet_environment(),
        start_new_session=True,
    )
    assert child.stdout is not None  # noqa: S101  # it is a pipe
    ended_by_us = []

    def hang_up() -> None:
        ended_by_us.append(True)
        child.terminate()

    try:
        with interruptible(hang_up):
            files = 0
            for piece in iter(lambda: os.read(child.stdout.fileno(), 4096), b""):  # type: ignore[union-attr]
                found, done = PROGRESS.findall(piece), FILES_DONE.findall(piece)
                files = int(done[-1]) if done else files
                if found and heard is not None:
                    heard(int(re.sub(rb"[,.]", b"", found[-1])), files)
            status = child.wait()
    finally:
        child.stdout.close()
        if child.poll() is None:
            child.kill()
            child.wait()
    if ended_by_us:
        raise UnreachableError("interrupted")
    return status


def explain(status: int, said: str, host: str) -> GlmprovError:
    """Return what rsync printed on failing as an error that a person can act on."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    first = lines[0] if lines else f"rsync ended with status {status}"
    for pattern, message, next_step in FAILURES:
        if re.search(pattern, said):
            kind = UnreachableError if "lost in the middle" in message else FetchError
            return kind(message.format(said=first), host=host, next_step=next_step)
    return FetchError(f"rsync failed: {first}", host=host)
